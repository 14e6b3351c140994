/** Golden command lines: every platform's, on any platform. A change here is a change of the product. */
import { describe, expect, test } from "bun:test";
import { shellQuote } from "../../../src/plan/argv.ts";
import { kernelCommandLine } from "../../../src/plan/devices/boot.ts";
import { keyval } from "../../../src/plan/devices/keyval.ts";
import { snapshotShape } from "../../../src/plan/snapshot.ts";
import { argvLines, configOf, embedded, external, linux, macos, planOf, tcpChannels, windows } from "./fixtures.ts";

test("Linux, KVM, virgl in an SDL window (X11)", () => {
	expect(argvLines(planOf(linux, embedded))).toMatchInlineSnapshot(`
	  [
	    "-name guest=VirtualGhost [internet]",
	    "-nodefaults",
	    "-no-user-config",
	    "-no-reboot",
	    "-monitor none",
	    "-L /cache/qemu/share",
	    "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
	    "-run-with exit-with-parent=on",
	    "-accel kvm",
	    "-machine q35,memory-backend=mem,dump-guest-core=off,vmport=off",
	    "-cpu host",
	    "-smp 4",
	    "-m 4096M",
	    "-object memory-backend-memfd,id=mem,size=4096M,share=on",
	    "-device pcie-root-port,id=port0,chassis=10,addr=0x10.0,multifunction=on",
	    "-device pcie-root-port,id=port1,chassis=11,addr=0x10.1",
	    "-device pcie-root-port,id=port2,chassis=12,addr=0x10.2",
	    "-device pcie-root-port,id=port3,chassis=13,addr=0x10.3",
	    "-chardev socket,id=qmp,fd=3",
	    "-object monitor-qmp,id=monitor,chardev=qmp",
	    "-chardev socket,id=serial,fd=4",
	    "-serial chardev:serial",
	    "-chardev socket,id=events,fd=5",
	    "-device virtio-serial-pci,id=vserial,max_ports=4",
	    "-device virtserialport,bus=vserial.0,chardev=events,name=org.virtualghost.events",
	    "-add-fd fd=7,set=1",
	    "-blockdev driver=raw,node-name=root,read-only=on,offset=200000001,size=4096,file.driver=file,file.filename=/dev/fdset/1,file.locking=off",
	    "-device virtio-blk-pci,drive=root,serial=vg-root",
	    "-blockdev driver=raw,node-name=guest,read-only=on,offset=200004097,size=8192,file.driver=file,file.filename=/dev/fdset/1,file.locking=off",
	    "-device virtio-blk-pci,drive=guest,serial=vg-guest",
	    "-vga none",
	    "-display sdl,gl=on",
	    "-device virtio-gpu-gl-pci,id=gpu,xres=1280,yres=800",
	    "-device virtio-keyboard-pci",
	    "-device virtio-tablet-pci",
	    "-chardev socket,id=vsock,path=/run/user/1000/virtualghost/ab12/vhost.sock",
	    "-device vhost-user-vsock-pci,chardev=vsock",
	    "-netdev stream,id=net,server=off,addr.type=fd,addr.str=6",
	    "-device virtio-net-pci,id=nic,netdev=net,mac=52:54:00:76:68:01,romfile=",
	    "-device virtio-rng-pci",
	    "-device virtio-balloon-pci,free-page-reporting=on",
	    "-device pvpanic-pci",
	    "-rtc base=utc,clock=host",
	    "-kernel /c/kernel",
	    "-initrd /c/initramfs",
	    "-append console=ttyS0 quiet loglevel=3 panic=-1 systemd.show_status=0 systemd.import_credentials=no cryptomgr.notests drm_kms_helper.fbdev_emulation=0 virtualghost.gpu=virgl virtualghost.gpu-fallback=software virtualghost.network=dual",
	    "-smbios type=11,path=/run/k1",
	    "-smbios type=11,path=/run/k2",
	  ]
	`);
});

test("Linux, TCG, software rendering without a window", () => {
	const host = {
		...linux,
		accelerators: [{ name: "kvm" as const, usable: false, why: "no" }, ...linux.accelerators.slice(1)],
	};
	expect(argvLines(planOf(host, embedded, {}, { headless: true }))).toMatchInlineSnapshot(`
	  [
	    "-name guest=VirtualGhost [internet]",
	    "-nodefaults",
	    "-no-user-config",
	    "-no-reboot",
	    "-monitor none",
	    "-L /cache/qemu/share",
	    "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
	    "-run-with exit-with-parent=on",
	    "-accel tcg,thread=multi,tb-size=512",
	    "-machine q35,memory-backend=mem,dump-guest-core=off,vmport=off",
	    "-cpu max,la57=off",
	    "-smp 4",
	    "-m 4096M",
	    "-object memory-backend-memfd,id=mem,size=4096M,share=on",
	    "-device pcie-root-port,id=port0,chassis=10,addr=0x10.0,multifunction=on",
	    "-device pcie-root-port,id=port1,chassis=11,addr=0x10.1",
	    "-device pcie-root-port,id=port2,chassis=12,addr=0x10.2",
	    "-device pcie-root-port,id=port3,chassis=13,addr=0x10.3",
	    "-chardev socket,id=qmp,fd=3",
	    "-object monitor-qmp,id=monitor,chardev=qmp",
	    "-chardev socket,id=serial,fd=4",
	    "-serial chardev:serial",
	    "-chardev socket,id=events,fd=5",
	    "-device virtio-serial-pci,id=vserial,max_ports=4",
	    "-device virtserialport,bus=vserial.0,chardev=events,name=org.virtualghost.events",
	    "-add-fd fd=7,set=1",
	    "-blockdev driver=raw,node-name=root,read-only=on,offset=200000001,size=4096,file.driver=file,file.filename=/dev/fdset/1,file.locking=off",
	    "-device virtio-blk-pci,drive=root,serial=vg-root",
	    "-blockdev driver=raw,node-name=guest,read-only=on,offset=200004097,size=8192,file.driver=file,file.filename=/dev/fdset/1,file.locking=off",
	    "-device virtio-blk-pci,drive=guest,serial=vg-guest",
	    "-vga none",
	    "-display none",
	    "-device virtio-gpu-pci,id=gpu,xres=1280,yres=800",
	    "-device virtio-keyboard-pci",
	    "-device virtio-tablet-pci",
	    "-chardev socket,id=vsock,path=/run/user/1000/virtualghost/ab12/vhost.sock",
	    "-device vhost-user-vsock-pci,chardev=vsock",
	    "-netdev stream,id=net,server=off,addr.type=fd,addr.str=6",
	    "-device virtio-net-pci,id=nic,netdev=net,mac=52:54:00:76:68:01,romfile=",
	    "-device virtio-rng-pci",
	    "-device virtio-balloon-pci,free-page-reporting=on",
	    "-device pvpanic-pci",
	    "-rtc base=utc,clock=host",
	    "-kernel /c/kernel",
	    "-initrd /c/initramfs",
	    "-append console=ttyS0 quiet loglevel=3 panic=-1 systemd.show_status=0 systemd.import_credentials=no cryptomgr.notests drm_kms_helper.fbdev_emulation=0 virtualghost.gpu=software virtualghost.network=dual",
	    "-smbios type=11,path=/run/k1",
	    "-smbios type=11,path=/run/k2",
	  ]
	`);
});

test("Linux, KVM, virgl in a GTK window (Wayland)", () => {
	const wayland = { ...linux, display: { x11: ":0", wayland: "wayland-0" } };
	const [x11Lines, waylandLines] = [argvLines(planOf(linux, embedded)), argvLines(planOf(wayland, embedded))];
	expect(waylandLines.filter((line) => !x11Lines.includes(line))).toEqual(["-display gtk,gl=on,show-menubar=off"]);
});

test("Linux, KVM, kernel vhost-vsock, SDL", () => {
	const host = { ...linux, kernelVsock: { usable: true, why: "/dev/vhost-vsock can be opened" } };
	expect(argvLines(planOf(host, embedded, { display: "sdl" }))).toMatchInlineSnapshot(`
	  [
	    "-name guest=VirtualGhost [internet]",
	    "-nodefaults",
	    "-no-user-config",
	    "-no-reboot",
	    "-monitor none",
	    "-L /cache/qemu/share",
	    "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
	    "-run-with exit-with-parent=on",
	    "-accel kvm",
	    "-machine q35,dump-guest-core=off,vmport=off",
	    "-cpu host",
	    "-smp 4",
	    "-m 4096M",
	    "-device pcie-root-port,id=port0,chassis=10,addr=0x10.0,multifunction=on",
	    "-device pcie-root-port,id=port1,chassis=11,addr=0x10.1",
	    "-device pcie-root-port,id=port2,chassis=12,addr=0x10.2",
	    "-device pcie-root-port,id=port3,chassis=13,addr=0x10.3",
	    "-chardev socket,id=qmp,fd=3",
	    "-object monitor-qmp,id=monitor,chardev=qmp",
	    "-chardev socket,id=serial,fd=4",
	    "-serial chardev:serial",
	    "-chardev socket,id=events,fd=5",
	    "-device virtio-serial-pci,id=vserial,max_ports=4",
	    "-device virtserialport,bus=vserial.0,chardev=events,name=org.virtualghost.events",
	    "-add-fd fd=7,set=1",
	    "-blockdev driver=raw,node-name=root,read-only=on,offset=200000001,size=4096,file.driver=file,file.filename=/dev/fdset/1,file.locking=off",
	    "-device virtio-blk-pci,drive=root,serial=vg-root",
	    "-blockdev driver=raw,node-name=guest,read-only=on,offset=200004097,size=8192,file.driver=file,file.filename=/dev/fdset/1,file.locking=off",
	    "-device virtio-blk-pci,drive=guest,serial=vg-guest",
	    "-vga none",
	    "-display sdl,gl=on",
	    "-device virtio-gpu-gl-pci,id=gpu,xres=1280,yres=800",
	    "-device virtio-keyboard-pci",
	    "-device virtio-tablet-pci",
	    "-device vhost-vsock-pci,guest-cid=891719793",
	    "-netdev stream,id=net,server=off,addr.type=fd,addr.str=6",
	    "-device virtio-net-pci,id=nic,netdev=net,mac=52:54:00:76:68:01,romfile=",
	    "-device virtio-rng-pci",
	    "-device virtio-balloon-pci,free-page-reporting=on",
	    "-device pvpanic-pci",
	    "-rtc base=utc,clock=host",
	    "-kernel /c/kernel",
	    "-initrd /c/initramfs",
	    "-append console=ttyS0 quiet loglevel=3 panic=-1 systemd.show_status=0 systemd.import_credentials=no cryptomgr.notests drm_kms_helper.fbdev_emulation=0 virtualghost.gpu=virgl virtualghost.gpu-fallback=software virtualghost.network=dual",
	    "-smbios type=11,path=/run/k1",
	    "-smbios type=11,path=/run/k2",
	  ]
	`);
});

test("a driver pack is one more disk, and the initramfs is told to wait for it", () => {
	const [without, withPack] = [{}, { "driver-pack": "packs/a,b.erofs" }].map((flags) => {
		const { driverPack } = configOf(flags).gpu;
		const plan = planOf(linux, embedded, flags);
		return argvLines({ ...plan, images: { ...plan.images, drivers: driverPack } });
	});
	expect(withPack?.filter((line) => !without?.includes(line))).toMatchInlineSnapshot(`
	  [
	    "-blockdev driver=raw,node-name=drivers,read-only=on,file.driver=file,file.filename=/w/packs/a,,b.erofs",
	    "-device virtio-blk-pci,drive=drivers,serial=vg-drivers",
	    "-append console=ttyS0 quiet loglevel=3 panic=-1 systemd.show_status=0 systemd.import_credentials=no cryptomgr.notests drm_kms_helper.fbdev_emulation=0 virtualghost.gpu=virgl virtualghost.gpu-fallback=software virtualghost.network=dual virtualghost.drivers=pack",
	  ]
	`);
	const serials = withPack?.flatMap((line) => /serial=(vg-\w+)/.exec(line)?.[1] ?? []);
	expect(serials).toEqual(["vg-root", "vg-guest", "vg-drivers"]);
});

test("the terminal's look is a disk of its own, and belongs to the snapshot", () => {
	const plan = planOf(linux, embedded);
	const withLook = { ...plan, images: { ...plan.images, look: "/cache/looks/0123.tar" } };
	expect(argvLines(withLook).filter((line) => !argvLines(plan).includes(line))).toMatchInlineSnapshot(`
	  [
	    "-blockdev driver=raw,node-name=look,read-only=on,file.driver=file,file.filename=/cache/looks/0123.tar",
	    "-device virtio-blk-pci,drive=look,serial=vg-look",
	    "-append console=ttyS0 quiet loglevel=3 panic=-1 systemd.show_status=0 systemd.import_credentials=no cryptomgr.notests drm_kms_helper.fbdev_emulation=0 virtualghost.gpu=virgl virtualghost.gpu-fallback=software virtualghost.network=dual virtualghost.look=disk",
	  ]
	`);
	expect(snapshotShape(withLook, {})).not.toBe(snapshotShape(plan, {}));
});

test("Linux, an external QEMU that is too old to end with its parent", () => {
	const lines = argvLines(planOf(linux, { ...external, version: "9.2.0" }));
	expect(lines.some((line) => line.startsWith("-run-with"))).toBe(false);
	expect(lines).toContain("-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
});

test("macOS, HVF, Cocoa", () => {
	expect(argvLines(planOf(macos, external))).toMatchInlineSnapshot(`
	  [
	    "-name guest=VirtualGhost [offline]",
	    "-nodefaults",
	    "-no-user-config",
	    "-no-reboot",
	    "-monitor none",
	    "-accel hvf",
	    "-machine q35,dump-guest-core=off,vmport=off",
	    "-cpu host",
	    "-smp 4",
	    "-m 4096M",
	    "-device pcie-root-port,id=port0,chassis=10,addr=0x10.0,multifunction=on",
	    "-device pcie-root-port,id=port1,chassis=11,addr=0x10.1",
	    "-device pcie-root-port,id=port2,chassis=12,addr=0x10.2",
	    "-device pcie-root-port,id=port3,chassis=13,addr=0x10.3",
	    "-chardev socket,id=qmp,fd=3",
	    "-object monitor-qmp,id=monitor,chardev=qmp",
	    "-chardev socket,id=serial,fd=4",
	    "-serial chardev:serial",
	    "-chardev socket,id=events,fd=5",
	    "-device virtio-serial-pci,id=vserial,max_ports=4",
	    "-device virtserialport,bus=vserial.0,chardev=events,name=org.virtualghost.events",
	    "-blockdev driver=raw,node-name=root,read-only=on,file.driver=file,file.filename=/c/root",
	    "-device virtio-blk-pci,drive=root,serial=vg-root",
	    "-blockdev driver=raw,node-name=guest,read-only=on,file.driver=file,file.filename=/c/guest",
	    "-device virtio-blk-pci,drive=guest,serial=vg-guest",
	    "-vga none",
	    "-display cocoa",
	    "-device virtio-gpu-pci,id=gpu,xres=1280,yres=800",
	    "-device virtio-keyboard-pci",
	    "-device virtio-tablet-pci",
	    "-netdev user,id=control,restrict=on,ipv6=off,net=192.0.2.0/24,hostfwd=unix:/run/user/1000/virtualghost/ab12/agent.sock-192.0.2.15:5222",
	    "-device virtio-net-pci,netdev=control,mac=52:54:00:76:67:01,romfile=",
	    "-netdev user,id=net,net=10.0.2.15/24,ipv6=off,restrict=on",
	    "-device virtio-net-pci,id=nic,netdev=net,mac=52:54:00:76:68:01,romfile=",
	    "-device virtio-rng-pci",
	    "-device virtio-balloon-pci,free-page-reporting=on",
	    "-device pvpanic-pci",
	    "-rtc base=utc,clock=host",
	    "-kernel /c/kernel",
	    "-initrd /c/initramfs",
	    "-append console=ttyS0 quiet loglevel=3 panic=-1 systemd.show_status=0 systemd.import_credentials=no cryptomgr.notests drm_kms_helper.fbdev_emulation=0 virtualghost.gpu=software virtualghost.control=tcp",
	    "-smbios type=11,path=/run/k1",
	    "-smbios type=11,path=/run/k2",
	  ]
	`);
});

test("Windows, WHPX, SDL, QMP over TCP", () => {
	expect(argvLines(planOf(windows, external, {}, { channels: tcpChannels, controlPort: 4711 }))).toMatchInlineSnapshot(`
	  [
	    "-name guest=VirtualGhost [offline]",
	    "-nodefaults",
	    "-no-user-config",
	    "-no-reboot",
	    "-monitor none",
	    "-accel whpx",
	    "-machine q35,dump-guest-core=off,vmport=off",
	    "-cpu max",
	    "-smp 4",
	    "-m 4096M",
	    "-device pcie-root-port,id=port0,chassis=10,addr=0x10.0,multifunction=on",
	    "-device pcie-root-port,id=port1,chassis=11,addr=0x10.1",
	    "-device pcie-root-port,id=port2,chassis=12,addr=0x10.2",
	    "-device pcie-root-port,id=port3,chassis=13,addr=0x10.3",
	    "-chardev socket,id=qmp,host=127.0.0.1,port=5001",
	    "-object monitor-qmp,id=monitor,chardev=qmp",
	    "-chardev socket,id=serial,host=127.0.0.1,port=5002",
	    "-serial chardev:serial",
	    "-chardev socket,id=events,host=127.0.0.1,port=5003",
	    "-device virtio-serial-pci,id=vserial,max_ports=4",
	    "-device virtserialport,bus=vserial.0,chardev=events,name=org.virtualghost.events",
	    "-blockdev driver=raw,node-name=root,read-only=on,file.driver=file,file.filename=/c/root",
	    "-device virtio-blk-pci,drive=root,serial=vg-root",
	    "-blockdev driver=raw,node-name=guest,read-only=on,file.driver=file,file.filename=/c/guest",
	    "-device virtio-blk-pci,drive=guest,serial=vg-guest",
	    "-vga none",
	    "-display sdl,gl=off",
	    "-device virtio-gpu-pci,id=gpu,xres=1280,yres=800",
	    "-device virtio-keyboard-pci",
	    "-device virtio-tablet-pci",
	    "-netdev user,id=control,restrict=on,ipv6=off,net=192.0.2.0/24,hostfwd=tcp:127.0.0.1:4711-192.0.2.15:5222",
	    "-device virtio-net-pci,netdev=control,mac=52:54:00:76:67:01,romfile=",
	    "-netdev user,id=net,net=10.0.2.15/24,ipv6=off,restrict=on",
	    "-device virtio-net-pci,id=nic,netdev=net,mac=52:54:00:76:68:01,romfile=",
	    "-device virtio-rng-pci",
	    "-device virtio-balloon-pci,free-page-reporting=on",
	    "-device pvpanic-pci",
	    "-rtc base=utc,clock=host",
	    "-kernel /c/kernel",
	    "-initrd /c/initramfs",
	    "-append console=ttyS0 quiet loglevel=3 panic=-1 systemd.show_status=0 systemd.import_credentials=no cryptomgr.notests drm_kms_helper.fbdev_emulation=0 virtualghost.gpu=software virtualghost.control=tcp",
	    "-smbios type=11,path=/run/k1",
	    "-smbios type=11,path=/run/k2",
	  ]
	`);
});

test("Windows, TCG, SDL, QMP over TCP", () => {
	expect(
		argvLines(planOf(windows, external, { accel: "tcg" }, { channels: tcpChannels, controlPort: 4711 })),
	).toMatchInlineSnapshot(`
	  [
	    "-name guest=VirtualGhost [offline]",
	    "-nodefaults",
	    "-no-user-config",
	    "-no-reboot",
	    "-monitor none",
	    "-accel tcg,thread=multi,tb-size=512",
	    "-machine q35,dump-guest-core=off,vmport=off",
	    "-cpu max,la57=off",
	    "-smp 4",
	    "-m 4096M",
	    "-device pcie-root-port,id=port0,chassis=10,addr=0x10.0,multifunction=on",
	    "-device pcie-root-port,id=port1,chassis=11,addr=0x10.1",
	    "-device pcie-root-port,id=port2,chassis=12,addr=0x10.2",
	    "-device pcie-root-port,id=port3,chassis=13,addr=0x10.3",
	    "-chardev socket,id=qmp,host=127.0.0.1,port=5001",
	    "-object monitor-qmp,id=monitor,chardev=qmp",
	    "-chardev socket,id=serial,host=127.0.0.1,port=5002",
	    "-serial chardev:serial",
	    "-chardev socket,id=events,host=127.0.0.1,port=5003",
	    "-device virtio-serial-pci,id=vserial,max_ports=4",
	    "-device virtserialport,bus=vserial.0,chardev=events,name=org.virtualghost.events",
	    "-blockdev driver=raw,node-name=root,read-only=on,file.driver=file,file.filename=/c/root",
	    "-device virtio-blk-pci,drive=root,serial=vg-root",
	    "-blockdev driver=raw,node-name=guest,read-only=on,file.driver=file,file.filename=/c/guest",
	    "-device virtio-blk-pci,drive=guest,serial=vg-guest",
	    "-vga none",
	    "-display sdl,gl=off",
	    "-device virtio-gpu-pci,id=gpu,xres=1280,yres=800",
	    "-device virtio-keyboard-pci",
	    "-device virtio-tablet-pci",
	    "-netdev user,id=control,restrict=on,ipv6=off,net=192.0.2.0/24,hostfwd=tcp:127.0.0.1:4711-192.0.2.15:5222",
	    "-device virtio-net-pci,netdev=control,mac=52:54:00:76:67:01,romfile=",
	    "-netdev user,id=net,net=10.0.2.15/24,ipv6=off,restrict=on",
	    "-device virtio-net-pci,id=nic,netdev=net,mac=52:54:00:76:68:01,romfile=",
	    "-device virtio-rng-pci",
	    "-device virtio-balloon-pci,free-page-reporting=on",
	    "-device pvpanic-pci",
	    "-rtc base=utc,clock=host",
	    "-kernel /c/kernel",
	    "-initrd /c/initramfs",
	    "-append console=ttyS0 quiet loglevel=3 panic=-1 systemd.show_status=0 systemd.import_credentials=no cryptomgr.notests drm_kms_helper.fbdev_emulation=0 virtualghost.gpu=software virtualghost.control=tcp",
	    "-smbios type=11,path=/run/k1",
	    "-smbios type=11,path=/run/k2",
	  ]
	`);
});

/** What a control card adds to the line of the same machine with vsock, and what it makes superfluous there. */
function difference(control: "unix" | "tcp"): { added: string[]; gone: string[] } {
	const vsock = argvLines(planOf(linux, embedded));
	const card = argvLines(planOf(linux, embedded, { control }, { controlPort: 4711 }));
	const without = (lines: string[], others: string[]) => lines.filter((line) => !others.includes(line));
	return { added: without(card, vsock), gone: without(vsock, card) };
}

test("Linux, control card behind a port", () => {
	expect(difference("tcp")).toMatchInlineSnapshot(`
	  {
	    "added": [
	      "-machine q35,dump-guest-core=off,vmport=off",
	      "-netdev user,id=control,restrict=on,ipv6=off,net=192.0.2.0/24,hostfwd=tcp:127.0.0.1:4711-192.0.2.15:5222",
	      "-device virtio-net-pci,netdev=control,mac=52:54:00:76:67:01,romfile=",
	      "-append console=ttyS0 quiet loglevel=3 panic=-1 systemd.show_status=0 systemd.import_credentials=no cryptomgr.notests drm_kms_helper.fbdev_emulation=0 virtualghost.gpu=virgl virtualghost.gpu-fallback=software virtualghost.control=tcp virtualghost.network=dual",
	    ],
	    "gone": [
	      "-machine q35,memory-backend=mem,dump-guest-core=off,vmport=off",
	      "-object memory-backend-memfd,id=mem,size=4096M,share=on",
	      "-chardev socket,id=vsock,path=/run/user/1000/virtualghost/ab12/vhost.sock",
	      "-device vhost-user-vsock-pci,chardev=vsock",
	      "-append console=ttyS0 quiet loglevel=3 panic=-1 systemd.show_status=0 systemd.import_credentials=no cryptomgr.notests drm_kms_helper.fbdev_emulation=0 virtualghost.gpu=virgl virtualghost.gpu-fallback=software virtualghost.network=dual",
	    ],
	  }
	`);
});

test("Linux, control card behind a Unix socket", () => {
	expect(difference("unix").added.filter((line) => line.startsWith("-netdev"))).toMatchInlineSnapshot(`
	  [
	    "-netdev user,id=control,restrict=on,ipv6=off,net=192.0.2.0/24,hostfwd=unix:/run/user/1000/virtualghost/ab12/agent.sock-192.0.2.15:5222",
	  ]
	`);
});

test("macOS, a QEMU without Unix socket forwards", () => {
	const lines = argvLines(planOf(macos, { ...external, version: "10.2.0" }, {}, { controlPort: 4711 }));
	expect(lines.filter((line) => line.startsWith("-netdev"))).toMatchInlineSnapshot(`
	  [
	    "-netdev user,id=control,restrict=on,ipv6=off,net=192.0.2.0/24,hostfwd=tcp:127.0.0.1:4711-192.0.2.15:5222",
	    "-netdev user,id=net,net=10.0.2.15/24,ipv6=off,restrict=on",
	  ]
	`);
});

test("no secret is ever on the command line, and no network card that leads past the filter", () => {
	for (const host of [linux, macos, windows]) {
		const lines = argvLines(planOf(host, embedded));
		const text = lines.join("\n");
		const netdevs = lines.filter((each) => each.startsWith("-netdev"));
		for (const line of netdevs) {
			// A socket to the packet filter, or QEMU's own network with its way out closed.
			expect(line).toMatch(/^-netdev (stream,id=net,server=off,addr\.type=fd,|user,.*restrict=on)/);
			if (line.includes("id=control")) expect(line).toMatch(/hostfwd=(unix:\/|tcp:127\.0\.0\.1:)/);
		}
		expect(netdevs.length).toBe(host === linux ? 1 : 2);
		expect(text).not.toContain("-nic");
		expect(text).not.toContain("BEGIN");
		expect(text).toContain("-nodefaults");
		expect(text).toContain("-no-user-config");
	}
});

test("a comma in a path is written twice", () => {
	expect(keyval("x", { path: "/a,b", on: true, skipped: undefined })).toBe("x,path=/a,,b,on=on");
	expect(keyval("", { a: 1 })).toBe("a=1");
});

test("quoting for a shell", () => {
	expect(["a/b=c,d", "a b", "it's", ""].map(shellQuote)).toEqual(["a/b=c,d", "'a b'", "'it'\\''s'", "''"]);
});

describe("machines of snapshots", () => {
	const lines = (role: "make" | "restore", gpu: "none" | "software" | "virgl") =>
		argvLines(
			planOf(
				linux,
				embedded,
				{},
				{ snapshot: { role, ramFile: "/c/snap/ram" }, fallback: { accelerator: "kvm", gpu } },
			),
		).filter((line) => /memory|^-m |gpu|vmgenid|incoming|append|smbios|vsock|netdev/.test(line));

	test.each(["none", "software", "virgl"] as const)("%s, made: no key, no vsock, no GPU driver for virgl", (gpu) => {
		expect(lines("make", gpu)).toMatchSnapshot();
	});

	test("virgl, restored: the memory is private, the card has OpenGL", () => {
		expect(lines("restore", "virgl")).toMatchSnapshot();
	});
});

describe("disks that are kept", () => {
	const disks = [
		{ kind: "home", path: "/d/a,b.qcow2" },
		{ kind: "work", path: "/w/1.qcow2" },
	] as const;
	const kept = (lines: readonly string[]) =>
		lines.filter((line) => /node-name=(?:home|work)|id=(?:home|work)-disk/.test(line));

	test("are plugged into a machine that boots", () => {
		expect(kept(argvLines(planOf(linux, embedded, {}, { disks, hasFiles: true })))).toMatchInlineSnapshot(`
		  [
		    "-blockdev driver=qcow2,node-name=home,discard=unmap,detect-zeroes=unmap,file.driver=file,file.filename=/d/a,,b.qcow2",
		    "-device virtio-blk-pci,id=home-disk,drive=home,bus=port2,serial=vg-home,werror=stop,rerror=report",
		    "-blockdev driver=qcow2,node-name=work,discard=unmap,detect-zeroes=unmap,file.driver=file,file.filename=/w/1.qcow2",
		    "-device virtio-blk-pci,id=work-disk,drive=work,bus=port3,serial=vg-work,werror=stop,rerror=report",
		  ]
		`);
	});

	test("are opened for one that is restored, and plugged in later", () => {
		const snapshot = { role: "restore", ramFile: "/s/ram" } as const;
		expect(kept(argvLines(planOf(linux, embedded, {}, { disks, hasFiles: true, snapshot })))).toMatchInlineSnapshot(`
		  [
		    "-blockdev driver=qcow2,node-name=home,discard=unmap,detect-zeroes=unmap,file.driver=file,file.filename=/d/a,,b.qcow2",
		    "-blockdev driver=qcow2,node-name=work,discard=unmap,detect-zeroes=unmap,file.driver=file,file.filename=/w/1.qcow2",
		  ]
		`);
	});

	test("make the session wait, where there is one", () => {
		const words = (flags: Record<string, string>, run = {}) =>
			kernelCommandLine(planOf(linux, embedded, flags, { disks, hasFiles: true, ...run })).split(" ");
		expect(words({ gpu: "software" })).toContain("virtualghost.session=later");
		expect(words({ gpu: "none" })).not.toContain("virtualghost.session=later");
		const make = { snapshot: { role: "make", ramFile: "/s/ram" } as const };
		expect(words({ gpu: "software" }, make)).toContain("virtualghost.session=later");
		expect(words({ gpu: "software" }, { ...make, hasFiles: false })).not.toContain("virtualghost.session=later");
	});

	test("have a snapshot of their own only where the session would be running in it", () => {
		const shape = (gpu: string, hasFiles: boolean) => snapshotShape(planOf(linux, embedded, { gpu }, { hasFiles }), {});
		expect(shape("software", true)).not.toBe(shape("software", false));
		for (const gpu of ["virgl", "none"]) expect(shape(gpu, true)).toBe(shape(gpu, false));
	});
});
