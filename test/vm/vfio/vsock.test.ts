/** The kernel's own vsock: the launcher chooses it where it is there, waits for QEMU, and steps aside for other programs' machines. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { tool } from "../harness.ts";
import { carryPayloads, NESTED_TIMEOUT_MS } from "./cards.ts";
import { L1 } from "./l1.ts";

/** How long the program may have been unable to do anything else: a connect that blocks takes 2000 ms. */
const BLOCKED_MS_MAX = 1500;
/** Nobody listens there. */
const PORT = 5222;

let l1: L1;

beforeAll(async () => {
	l1 = await L1.start();
	await carryPayloads(l1);
	const program = join(import.meta.dir, "vsock-program.ts");
	const argv = [process.execPath, "build", "--compile", program, "--outfile", join(l1.share, "vsock-program")];
	const built = await tool(argv);
	if (built.code !== 0) throw new Error(built.stderr);
	await l1.ok("modprobe -a vhost_vsock vsock_loopback");
}, NESTED_TIMEOUT_MS);

afterAll(async () => {
	await l1?.[Symbol.asyncDispose]();
});

function nested(name: string, body: () => Promise<void>): void {
	test(name, body, NESTED_TIMEOUT_MS);
}

interface Probe {
	readonly outcome: string;
	readonly seconds: number;
	readonly blockedMs: number;
}

async function probe(...args: number[]): Promise<Probe> {
	return JSON.parse(await l1.ok(`/share/vsock-program ${args.join(" ")}`)) as Probe;
}

/** A machine of another program's with this context id, until it is ended; its guest knows no vsock. */
function otherMachine(cid: number): string {
	return `
A=$(echo /host/cache/virtualghost/assets/qemu-*)
exec $A/glibc/ld-linux-x86-64.so.2 --library-path $A/glibc:$A/gcc:$A/lib:/usr/lib/x86_64-linux-gnu:$A/fallback \
	$A/bin/qemu-system-x86_64 -L $A/share -accel tcg -machine q35 -m 64 -nodefaults -no-reboot -display none -vga none \
	-serial stdio -kernel /share/long.elf -device vhost-vsock-pci,guest-cid=${cid}`;
}

async function withOtherMachine(cid: number, use: () => Promise<void>): Promise<void> {
	const other = l1.start(otherMachine(cid));
	await other.says("payload: ready");
	try {
		await use();
	} finally {
		await l1.ok(`pkill -f guest-cid=${cid}`);
		await other.outcome;
	}
}

describe("the launcher's way of connecting", () => {
	nested("a listener of this kernel's: a megabyte comes back whole", async () => {
		const { outcome, blockedMs } = await probe();
		expect(outcome).toBe("echoed");
		expect(blockedMs).toBeLessThan(BLOCKED_MS_MAX);
	});

	nested("a port that nobody listens on is refused at once", async () => {
		const { outcome, seconds } = await probe(1, PORT);
		expect(outcome).toContain("nothing listens on that port");
		expect(seconds).toBeLessThan(2);
	});

	nested("a context id that nobody has: ENODEV is retried for two seconds", async () => {
		const { outcome, seconds, blockedMs } = await probe(7001, PORT);
		expect(outcome).toContain("no machine on this host has that context id");
		expect(seconds).toBeGreaterThan(1.9);
		expect(seconds).toBeLessThan(5);
		expect(blockedMs).toBeLessThan(BLOCKED_MS_MAX);
	});

	nested("a guest that does not answer: given up after ten seconds, and nothing is blocked meanwhile", async () => {
		await withOtherMachine(7002, async () => {
			const { outcome, seconds, blockedMs } = await probe(7002, PORT);
			expect(outcome).toMatch(/no answer within 10 s|the guest does not answer/);
			expect(seconds).toBeGreaterThan(9);
			expect(blockedMs).toBeLessThan(BLOCKED_MS_MAX);
		});
	});
});

describe("a machine", () => {
	const RUN =
		"rm -rf ~/.local/state; $VG run --gpu none --display none --accel tcg --memory 512M --name inner --kernel /share/short.elf";
	const LOG = "cat ~/.local/state/virtualghost/runs/*/launcher.log";
	const idsOf = (log: string) => [...log.matchAll(/guest-cid=(\d+)/g)].map(([, id]) => Number(id));

	nested("uses the kernel's vsock where /dev/vhost-vsock is there", async () => {
		expect(await l1.ok("$VG run --gpu none --display none --dry-run")).toContain("vhost-vsock-pci,guest-cid=");
		await l1.ok(RUN);
		expect(idsOf(await l1.ok(LOG))).toHaveLength(1);
	});

	nested("takes another context id where its own is somebody else's", async () => {
		const [first = 0] = idsOf(await l1.ok(LOG));
		await withOtherMachine(first, async () => {
			await l1.ok(RUN);
			const log = await l1.ok(LOG);
			expect(log).toContain("Address already in use");
			const ids = idsOf(
				log
					.split("\n")
					.filter((line) => line.includes("starting ["))
					.join("\n"),
			);
			expect(ids).toHaveLength(2);
			expect(ids[0]).toBe(first);
			expect(ids[1]).not.toBe(first);
		});
	});
});
