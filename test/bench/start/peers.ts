/**
 * Other programs that start a virtual machine for a command, from Debian's packages in unpacked trees, entered with chroot. Each boots our kernel
 * under TCG, with QEMU 11 of the same Debian package as ours, until what a command in the machine wrote comes out.
 */
import { dirname, join } from "node:path";
import { type Step, step } from "../../../vm-assets/build/cache.ts";
import { type Context, debianArch } from "../../../vm-assets/build/context.ts";
import { makeTree, TREE_RECIPE } from "../../../vm-assets/build/debian.ts";
import { KERNEL, kernelStep, kernelTreeStep } from "../../../vm-assets/build/kernel.ts";
import { run } from "../../../vm-assets/build/run.ts";
import { toolsStep } from "../../../vm-assets/build/tools.ts";
import { enterTree, inTree, namespaces } from "../../../vm-assets/build/tree.ts";
import { addModules, type StartImages } from "./images.ts";
import { Timed } from "./launcher.ts";

const QEMU = ["qemu-system-x86", "qemu-system-common", "qemu-system-data"].map((name) => `${name}/trixie-backports`);
/** The next Debian's; its dependencies of the same version are named, since apt takes none from there by itself. */
const VMSPAWN_PACKAGES = [
	...["systemd-container", "systemd", "libsystemd-shared", "libsystemd0", "libc6"].map((name) => `${name}/forky`),
	...["base-files", "coreutils", "dash", "mount", "ovmf", "virtiofsd", "seabios", ...QEMU],
];
/** Nothing is configured in that tree, its base files least of all. */
const MOUNT_POINTS = ["dev", "mnt", "proc", "run", "sys", "tmp", "var/tmp"];
const VNG_PACKAGES = ["virtme-ng", "busybox-static", "virtiofsd", "seabios", "procps", "iproute2", "udev", ...QEMU];
/** As our own guests have it here. */
const [VCPUS, MEMORY_MIB] = [2, 4096] as const;
/** With what the console puts before it; the command itself may be echoed, its answer is a version. */
const OUTPUT = /bench-output: \d/;

export interface Peers {
	readonly vmspawn: string;
	readonly vng: string;
	readonly images: StartImages;
	readonly kernel: string;
}

export async function preparePeers(context: Context, images: StartImages): Promise<Peers> {
	const tools = await toolsStep(context);
	const kernel = await kernelStep(context, tools);
	const vmspawn = await step(context, {
		name: "bench-vmspawn-tree",
		title: "systemd-vmspawn, for comparison",
		recipe: TREE_RECIPE,
		parameters: [VMSPAWN_PACKAGES, MOUNT_POINTS],
		make: async ({ dir, log, detail }) => {
			const arch = debianArch(context.arch);
			const extraSuites = ["backports", "forky"] as const;
			await makeTree({ variant: "extract", packages: VMSPAWN_PACKAGES, arch, extraSuites }, dir, log, detail);
			const folders = MOUNT_POINTS.map((name) => join(dir, "tree", name));
			await run([...namespaces(), "mkdir", "-p", ...folders], { log });
		},
	});
	const vng = await vngStep(context, tools);
	return {
		vmspawn: join(vmspawn.dir, "tree"),
		vng: join(vng.dir, "tree"),
		images,
		kernel: join(kernel.dir, KERNEL.image),
	};
}

/** Boots the tree that it is installed in, so the kernel's modules have to be there. */
async function vngStep(context: Context, tools: Step): Promise<Step> {
	const kernelTree = await kernelTreeStep(context);
	return await step(context, {
		name: "bench-vng-tree",
		title: "virtme-ng, for comparison",
		recipe: TREE_RECIPE,
		parameters: VNG_PACKAGES,
		uses: [tools, kernelTree],
		make: async ({ dir, log, detail }) => {
			const arch = debianArch(context.arch);
			const extraSuites = ["backports"] as const;
			await makeTree({ variant: "minbase", packages: VNG_PACKAGES, arch, extraSuites }, dir, log, detail);
			await addModules(join(dir, "tree"), kernelTree, tools, log);
		},
	});
}

/** systemd-vmspawn insists on being a unit's, if only by the name of its control group; no systemd is asked. */
const UNIT = "vgbench.slice/user@0.service/peer.service";
const ENTER_GROUPS = "mount -t cgroup2 none /sys/fs/cgroup; cd /sys/fs/cgroup;";
const JOIN_UNIT = `${ENTER_GROUPS} mkdir -p ${UNIT}; echo 0 >${UNIT}/cgroup.procs; cd /;`;
/** What was killed is in the group for a moment more. */
const LEAVE_UNIT = `mount -t sysfs sysfs /sys; ${ENTER_GROUPS} set +e
for i in 1 2 3 4 5 6 7 8 9 10; do rmdir -p ${UNIT}; [ -d vgbench.slice ] || exit 0; sleep 0.3; done; exit 1`;

/** Until the command's output; the machine is ended then. What a peer writes to its run-time folder is gone with the namespace. */
async function outputOf(
	tree: string,
	argv: readonly string[],
	{ images, kernel }: Peers,
	before = "",
): Promise<number> {
	const prepare = `mount -t tmpfs tmpfs /run; mount -t sysfs sysfs /sys; ${before} exec "$@"`;
	const mounts = [
		{ from: dirname(kernel), as: "kernel" },
		{ from: dirname(images.stockRoot), as: "images" },
	];
	const call = {
		tree,
		argv: ["sh", "-euc", prepare, "peer", ...argv],
		mounts,
		env: { TERM: "dumb", SYSTEMD_LOG_TARGET: "console", XDG_RUNTIME_DIR: "/run" },
	};
	await using peer = new Timed(enterTree(call), { env: { PATH: process.env.PATH ?? "" } });
	return await peer.says(OUTPUT);
}

/** The stock system, asked as systemd lets itself be asked for one command (systemd-run-generator(8)). */
export async function vmspawn(peers: Peers): Promise<number> {
	const root = ["--image=/mnt/images/stock.erofs", "root=/dev/vda", "quiet", "loglevel=3"];
	const argv = [
		...["systemd-vmspawn", "--kvm=no", "--tpm=no", "--vsock=no"],
		// There is no systemd around it here to be told of the machine.
		...["--user", "--register=no", "--keep-unit"],
		// The quickest that it has: no UEFI.
		...["--firmware=none", "--console=read-only", "--pass-ssh-key=no", "--notify-ready=no"],
		...[`--cpus=${VCPUS}`, `--ram=${MEMORY_MIB}M`, "--linux=/mnt/kernel/kernel", "--initrd=/mnt/images/stock"],
		...[...root, "systemd.run=/usr/local/bin/bench-command"],
	];
	try {
		return await outputOf(peers.vmspawn, argv, peers, JOIN_UNIT);
	} finally {
		await inTree({ tree: peers.vmspawn, argv: ["sh", "-euc", LEAVE_UNIT] }, { log: "/dev/null" });
	}
}

/** Its own way of running a command in the system that it is installed in. */
export function vng(peers: Peers): Promise<number> {
	const command = "echo bench-output: $(uname -r)";
	const line = `vng --run /mnt/kernel/kernel --disable-kvm --cpus ${VCPUS} --memory ${MEMORY_MIB}M -- '${command}'`;
	// It insists on a terminal.
	return outputOf(peers.vng, ["script", "--quiet", "--return", "--command", line, "/dev/null"], peers);
}
