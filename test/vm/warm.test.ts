/** Starts from snapshots: made by `prewarm` and by a window's first start, taken by later ones, and nothing that twins share. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
	appendFileSync,
	closeSync,
	existsSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	readSync,
	rmSync,
	symlinkSync,
	truncateSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { BINARY, BOOT_TIMEOUT_MS, Sandbox, type Started, tool } from "./harness.ts";

/** Without a screen, and small: quick to make. */
const FLAGS = ["--accel", "tcg", "--display", "none", "--gpu", "none", "--memory", "1G"] as const;
let sandbox: Sandbox;
let key: string;
let spare: string;

const snapshots = () => {
	const folder = join(sandbox.cache, "snapshots");
	return existsSync(folder) ? readdirSync(folder).filter((name) => !name.endsWith(".lock")) : [];
};
const published = () => snapshots().filter((name) => !name.startsWith("."));
const folderOf = () => join(sandbox.cache, "snapshots", published()[0] ?? "none");
const vg = (args: readonly string[]) => tool([BINARY, ...args], { env: sandbox.env });

beforeAll(() => {
	sandbox = new Sandbox();
});
afterAll(() => sandbox[Symbol.dispose](), BOOT_TIMEOUT_MS);

describe("prewarm", () => {
	test(
		"kill -9 while it is made: nothing counts as a snapshot, nothing keeps running, and it can be made after that",
		async () => {
			const making = sandbox.start(["prewarm", ...FLAGS]);
			while (!snapshots().some((name) => name.endsWith(".draft"))) await Bun.sleep(50);
			await Bun.sleep(3000);
			making.kill("SIGKILL");
			await making.outcome;
			expect(await sandbox.lingering(10)).toEqual([]);
			expect(published()).toEqual([]);
			const made = await sandbox.run(["prewarm", ...FLAGS]);
			expect([made.code, made.stdout]).toEqual([0, expect.stringMatching(/^none: [0-9a-f]{20}, \d+ MiB\n$/)]);
			expect(snapshots()).toEqual(published());
			key = published()[0] ?? "";
			spare = join(sandbox.root, "spare");
			expect((await tool(["cp", "-a", "--sparse=always", folderOf(), spare])).code).toBe(0);
			expect([sandbox.processes(), sandbox.instances()]).toEqual([[], []]);
		},
		2 * BOOT_TIMEOUT_MS,
	);

	test(
		"the next run takes it; with other memory, or --cold, it does not",
		async () => {
			const warm = await sandbox.run(["run", "-v", ...FLAGS, "--", "echo", "from a snapshot"]);
			expect([warm.code, warm.stdout]).toEqual([0, "from a snapshot\n"]);
			expect(warm.stderr).toContain(`snapshot: ${published()[0]}`);
			const other = sandbox.start(["run", "-v", ...FLAGS.slice(0, -2), "--memory", "1100M"]);
			await other.says("snapshot: none yet");
			other.kill("SIGKILL");
			const cold = sandbox.start(["run", "-v", "--cold", ...FLAGS]);
			await cold.says("booting");
			await Bun.sleep(2000);
			cold.kill("SIGKILL");
			await Promise.all([other.outcome, cold.outcome]);
			expect(cold.stderr).not.toContain("snapshot");
			expect(await sandbox.lingering(10)).toEqual([]);
		},
		BOOT_TIMEOUT_MS,
	);
});

test(
	"an agent that dies in a restored machine comes back with the keys that it was told",
	async () => {
		const started = await sandbox.run(["run", "--detach", "-v", ...FLAGS, "--name", "orphan"]);
		expect([started.code, started.stderr]).toEqual([0, expect.stringContaining(`snapshot: ${published()[0]}`)]);
		const ask = () =>
			vg(["exec", "orphan", "--", "sh", "-c", "systemctl show -P MainPID virtualghost-agent; hostname"]);
		const before = (await ask()).stdout;
		await vg(["exec", "orphan", "--root", "--", "sh", "-c", "kill -9 $(systemctl show -P MainPID virtualghost-agent)"]);
		let after = "";
		const end = Date.now() + 60_000;
		while ((after === "" || after === before) && Date.now() < end) after = (await ask()).stdout;
		expect(after).toMatch(/^\d+\norphan\n$/);
		expect(after).not.toBe(before);
		const keys = await vg(["exec", "orphan", "--", "stat", "-c", "%U %a", "/run/virtualghost/keys"]);
		expect(keys.stdout).toBe("root 600\n");
		expect((await vg(["stop", "orphan"])).code).toBe(0);
	},
	BOOT_TIMEOUT_MS,
);

/** The random cookie of the agent's first SSH message, which nothing encrypts (RFC 4253, 7.1). */
async function firstCookie(name: string): Promise<string> {
	const socket = net.connect(join(sandbox.runtime, "virtualghost", name, "q/agent.sock"));
	// It waits for the client's name before it says more than its own.
	socket.write("SSH-2.0-twin\r\n");
	let bytes = Buffer.alloc(0);
	for await (const chunk of socket) {
		bytes = Buffer.concat([bytes, chunk as Buffer]);
		const packet = bytes.indexOf("\r\n") + 2;
		if (packet > 1 && bytes.length >= packet + 22) {
			expect(bytes[packet + 5]).toBe(20);
			socket.destroy();
			return bytes.subarray(packet + 6, packet + 22).toString("hex");
		}
	}
	throw new Error("the agent said nothing");
}

test(
	"two machines of one snapshot, at once, have nothing in common that must be one's own, and the host's time",
	async () => {
		const names = ["twin-a", "twin-b"];
		const started = await Promise.all(
			names.map((name) => sandbox.run(["run", "--detach", "-v", ...FLAGS, "--name", name])),
		);
		expect(started.map(({ code }) => code)).toEqual([0, 0]);
		for (const { stderr } of started) expect(stderr).toContain(`snapshot: ${published()[0]}`);
		const facts = await Promise.all(
			names.map(async (name) => {
				const cookie = await firstCookie(name);
				const script =
					"head -c 32 /dev/urandom | od -An -tx1 -v; cat /etc/machine-id; hostname; cat /sys/class/net/net0/address; date +%s.%N";
				const from = Date.now();
				const { stdout } = await vg(["exec", name, "--", "sh", "-c", script]);
				const lines = stdout.trim().split("\n");
				const clock = Number(lines.at(-1)) * 1000;
				expect(clock).toBeGreaterThan(from - 1000);
				expect(clock).toBeLessThan(Date.now() + 1000);
				const folder = join(sandbox.runtime, "virtualghost", name);
				const keys = ["id_ed25519", "known_hosts"].map((file) =>
					readFileSync(join(folder, file), "utf8").split(" ").at(-1),
				);
				return {
					cookie,
					random: lines.slice(0, 2).join(""),
					machineId: lines[2],
					hostname: lines[3],
					mac: lines[4],
					keys: keys.join(),
				};
			}),
		);
		const [a, b] = facts;
		for (const key of ["cookie", "random", "machineId", "hostname", "mac", "keys"] as const) {
			expect([key, a?.[key]]).not.toEqual([key, b?.[key]]);
		}
		expect([a?.hostname, b?.hostname]).toEqual(names);
		expect(a?.machineId).toMatch(/^[0-9a-f]{32}$/);
		expect(a?.mac).toMatch(/^52:54:00:(?!76:6[78]:01)/);
		// What one writes the other does not see, and the snapshot neither.
		await vg(["exec", "twin-a", "--", "sh", "-c", "echo mine > /tmp/mine"]);
		expect((await vg(["exec", "twin-b", "--", "cat", "/tmp/mine"])).code).toBe(1);
		expect((await vg(["stop", "--all", "--force"])).code).toBe(0);
		expect(await sandbox.lingering(10)).toEqual([]);
		const again = await sandbox.run(["run", "-v", ...FLAGS, "--", "ls", "/tmp"]);
		expect(again.stderr).toContain(`snapshot: ${published()[0]}`);
		expect(again.stdout).not.toContain("mine");
	},
	BOOT_TIMEOUT_MS,
);

describe("a snapshot that is not sound: one warning, it is gone, the machine comes up", () => {
	const damages: readonly (readonly [string, (folder: string) => void])[] = [
		// Hashes hold, so that QEMU itself has to refuse it.
		["devices of another machine", (folder) => replaceState(folder, Buffer.from("QEVM garbage"))],
		["memory cut short", (folder) => truncateSync(join(folder, "ram"), 1 << 20)],
		["one bit of the memory flipped", flipBit],
		["empty files", empty],
		["of another version", (folder) => changeManifest(folder, (manifest) => ({ ...manifest, format: 2 }))],
		[
			"of a machine with other memory",
			(folder) => changeManifest(folder, ({ key: _own, ...rest }) => ({ ...rest, key: "other" })),
		],
		["unreadable", (folder) => makeUnreadable(join(folder, "ram"))],
	];
	test.each(damages)(
		"%s",
		async (_name, damage) => {
			await soundSnapshot();
			const folder = folderOf();
			damage(folder);
			const run = await sandbox.run(["run", ...FLAGS, "--", "echo", "up"]);
			expect([run.code, run.stdout]).toEqual([0, "up\n"]);
			expect(run.stderr.match(/warning: the snapshot cannot be used/g)).toHaveLength(1);
			expect(existsSync(folder)).toBe(false);
			expect([sandbox.processes(), sandbox.instances()]).toEqual([[], []]);
		},
		2 * BOOT_TIMEOUT_MS,
	);
});

/** As prewarm left it; making one anew takes a boot. */
async function soundSnapshot(): Promise<void> {
	// What failed once is not tried again.
	rmSync(join(sandbox.home, ".local/state/virtualghost/broken-snapshot.json"), { force: true });
	if (published().length > 0) return;
	const copied = await tool(["cp", "-a", "--sparse=always", spare, join(sandbox.cache, "snapshots", key)]);
	expect(copied.code).toBe(0);
}

function changeManifest(folder: string, change: (manifest: Record<string, unknown>) => object): void {
	const path = join(folder, "manifest.json");
	writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, "utf8")))));
}

function replaceState(folder: string, state: Buffer): void {
	writeFileSync(join(folder, "state"), state);
	const stateSha256 = new Bun.CryptoHasher("sha256").update(state).digest("hex");
	changeManifest(folder, (manifest) => ({ ...manifest, stateSha256 }));
}

function empty(folder: string): void {
	for (const name of ["ram", "state", "manifest.json"]) writeFileSync(join(folder, name), "");
}

/** In a part of the memory that is not zero. */
function flipBit(folder: string): void {
	const { chunks } = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as { chunks: [number, string][] };
	const [index = 0] = chunks[Math.floor(chunks.length / 2)] ?? [];
	const at = index * 1024 * 1024 + 4321;
	const ram = openSync(join(folder, "ram"), "r+");
	const byte = Buffer.alloc(1);
	readSync(ram, byte, 0, 1, at);
	writeSync(ram, Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at);
	closeSync(ram);
}

/** For root too, whom no mode keeps out: a link that leads nowhere. */
function makeUnreadable(path: string): void {
	rmSync(path);
	symlinkSync("/nonexistent/ram", path);
}

test(
	"kill -9 while it is restored: the next start takes it all the same",
	async () => {
		await soundSnapshot();
		for (const milliseconds of [150, 400]) {
			const started: Started = sandbox.start(["run", ...FLAGS, "--", "true"]);
			await Bun.sleep(milliseconds);
			started.kill("SIGKILL");
			await started.outcome;
		}
		expect(await sandbox.lingering(10)).toEqual([]);
		const run = await sandbox.run(["run", "-v", ...FLAGS, "--", "true"]);
		expect([run.code, run.stderr]).toEqual([0, expect.stringContaining(`snapshot: ${published()[0]}`)]);
	},
	2 * BOOT_TIMEOUT_MS,
);

test(
	"a full disk while it is made: one error, nothing is left; a machine starts all the same",
	async () => {
		const disk = join(sandbox.root, "small");
		mkdirSync(disk);
		const mounted = await tool(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", disk]);
		expect(mounted.code).toBe(0);
		try {
			const place = join(sandbox.cache, "snapshots");
			expect((await tool(["rm", "-rf", place])).code).toBe(0);
			mkdirSync(place, { mode: 0o700 });
			expect((await tool(["mount", "--bind", disk, place])).code).toBe(0);
			try {
				const making = await sandbox.run(["prewarm", ...FLAGS]);
				expect(making.code).toBe(1);
				expect(snapshots()).toEqual([]);
				expect([sandbox.processes(), sandbox.instances()]).toEqual([[], []]);
				const run = await sandbox.run(["run", ...FLAGS, "--", "echo", "up"]);
				expect([run.code, run.stdout]).toEqual([0, "up\n"]);
				expect([sandbox.processes(), sandbox.instances()]).toEqual([[], []]);
			} finally {
				await tool(["umount", "-l", place]);
			}
		} finally {
			await tool(["umount", "-l", disk]);
		}
	},
	2 * BOOT_TIMEOUT_MS,
);

test(
	"a window's first start makes one in the background, the second is there at once; closing waits for nothing",
	async () => {
		const env = { VIRTUALGHOST_SNAPSHOT_AUTO: "true" };
		const flags = ["run", "-v", "--accel", "tcg", "--gpu", "software", "--display", "none", "--memory", "1G"];
		const first = sandbox.start(flags, { env });
		await first.says("snapshot: made");
		first.kill("SIGINT");
		const cold = await first.outcome;
		expect(cold.code).toBe(0);
		const second = sandbox.start(flags, { env });
		await second.says("terminal up");
		second.kill("SIGINT");
		const warm = await second.outcome;
		expect(warm.code).toBe(0);
		const seconds = (text: string) => Number(/([\d.]+) s {2}terminal up/.exec(text)?.[1]);
		expect(seconds(warm.stderr) / seconds(cold.stderr)).toBeLessThan(0.4);
		expect([sandbox.processes(), sandbox.instances()]).toEqual([[], []]);
		appendFileSync(join(sandbox.root, "seconds"), `${seconds(cold.stderr)} ${seconds(warm.stderr)}\n`);
	},
	2 * BOOT_TIMEOUT_MS,
);
