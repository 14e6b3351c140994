import { expect, test } from "bun:test";
import { staticNodes } from "../../../vm-assets/build/guest.ts";
import { loadOrder } from "../../../vm-assets/build/initramfs.ts";
import { moduleName, resolveModules } from "../../../vm-assets/build/kernel.ts";

const DEP = [
	"kernel/fs/erofs/erofs.ko.xz: kernel/lib/netfs.ko.xz kernel/lib/libcrc32c.ko.xz",
	"kernel/lib/libcrc32c.ko.xz:",
	"kernel/lib/netfs.ko.xz: kernel/lib/libcrc32c.ko.xz",
	"kernel/lib/crc32c-intel.ko.xz:",
	"kernel/fs/other.ko.xz:",
].join("\n");
const SOFTDEP = "# aliases\nsoftdep libcrc32c pre: crc32c-intel crc32c\n";
const BUILTIN = "kernel/drivers/virtio/virtio_pci.ko\n";

test("a module brings what it depends on, soft dependencies too, each file once", () => {
	const { paths, missing } = resolveModules(["erofs", "netfs"], DEP, SOFTDEP, BUILTIN);
	expect(missing).toEqual([]);
	expect(paths.map(moduleName).sort()).toEqual(["crc32c_intel", "erofs", "libcrc32c", "netfs"]);
});

test("a name that is neither module nor built in is an error; dashes are underscores", () => {
	const { paths, missing } = resolveModules(["virtio-pci", "crc32c-intel", "nosuch"], DEP, SOFTDEP, BUILTIN);
	expect(paths).toEqual(["kernel/lib/crc32c-intel.ko.xz"]);
	expect(missing).toEqual(["nosuch"]);
});

test("the initramfs loads each module after what it depends on, once", () => {
	expect(loadOrder(DEP, ["crc32c_intel", "erofs"]).map(moduleName)).toEqual([
		"crc32c_intel",
		"libcrc32c",
		"netfs",
		"erofs",
	]);
});

test("device nodes whose opening loads a module", () => {
	expect(staticNodes("# comment\nloop loop-control c10:237\ntun net/tun c10:200\n")).toBe(
		"c! /dev/loop-control 0600 - - - 10:237\nd /dev/net 0755 - - -\nc! /dev/net/tun 0600 - - - 10:200\n",
	);
	expect(() => staticNodes("loop loop-control\n")).toThrow("modules.devname: loop loop-control");
});
