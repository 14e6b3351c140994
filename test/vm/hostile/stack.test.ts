/**
 * The probes of the hostile guest without a machine, in a minute: this kernel's own network stack is the guest, in a namespace; filter
 * and passt are the real ones. network.test.ts does it with a machine.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import { join } from "node:path";
import { makePolicy, ownPrefixes, type PolicyText } from "../../../src/filter/policy.ts";
import { embeddedQemu } from "../../../src/host/qemu.ts";
import { adoptSocket } from "../../../src/network/adopt.ts";
import { filterFrames } from "../../../src/network/frame-filter.ts";
import { greetPasst } from "../../../src/network/passt-greeting.ts";
import { openSocketPair } from "../../../src/network/socket-pair.ts";
import { passtArgv } from "../../../src/plan/passt.ts";
import { unpackBundle } from "../../../src/vm/bundle.ts";
import { manifestSchema } from "../../../src/vm/manifest.ts";
import { Sandbox, tool } from "../harness.ts";
import { canPlayInternet, Internet, RESOLVER } from "./internet.ts";
import { COLUMNS, type Column, PROBES } from "./probes.ts";
import { PROBES_PAGE, REACHED } from "./table.ts";

const ASSETS = join(import.meta.dir, "../../../dist/assets/x64");
const TABLE = readFileSync(PROBES_PAGE, "utf8").split("<!-- end -->")[0] ?? "";
const NAMESPACE = "vg-guest";
const TIMEOUT_MS = 240_000;
let sandbox: Sandbox;
let internet: Internet;
let passt: readonly string[];

beforeAll(async () => {
	if (!canPlayInternet()) return;
	sandbox = new Sandbox();
	const manifest = manifestSchema.parse(await Bun.file(join(ASSETS, "manifest.json")).json());
	const archive = manifest.assets.find(({ name }) => name === "qemu");
	if (!manifest.qemu || !archive) throw new Error("dist/assets is without QEMU");
	await unpackBundle(Bun.file(join(ASSETS, archive.file)), join(sandbox.root, "qemu"));
	passt = embeddedQemu(join(sandbox.root, "qemu"), manifest.qemu).facts.passt ?? [];
	internet = await Internet.open();
}, TIMEOUT_MS);

afterAll(async () => {
	if (!canPlayInternet()) return;
	await internet[Symbol.asyncDispose]();
	sandbox[Symbol.dispose]();
});

function policyOf(column: Column): PolicyText {
	const flags: readonly string[] = COLUMNS[column];
	const after = (name: string) => flags.filter((_, i) => flags[i - 1] === name);
	const mode = after("--network").includes("host") ? "host" : "internet";
	return { mode, allow: after("--allow"), deny: after("--deny") };
}

/** A namespace whose only card leads through the filter to passt. */
async function openGuest(order: PolicyText): Promise<AsyncDisposable> {
	await using scope = new AsyncDisposableStack();
	const { fds } = openSocketPair();
	const argv = [...passt, ...passtArgv(order, { ipv6: true, resolver: RESOLVER })];
	const carrier = Bun.spawn(argv, { env: {}, stdio: ["ignore", "ignore", "ignore", fds[1]] });
	scope.defer(async () => {
		carrier.kill("SIGKILL");
		await carrier.exited;
	});
	const outside = adoptSocket(fds[0]);
	await greetPasst(outside);
	const listener = net.createServer().listen(join(sandbox.root, "tap"));
	await tool(["ip", "netns", "add", NAMESPACE]);
	scope.defer(async () => void (await tool(["ip", "netns", "del", NAMESPACE])));
	const program = [process.execPath, join(import.meta.dir, "tap.ts"), join(sandbox.root, "tap")];
	const tap = Bun.spawn(["ip", "netns", "exec", NAMESPACE, ...program], { stdio: ["ignore", "inherit", "inherit"] });
	const [guest] = (await once(listener, "connection")) as [net.Socket];
	listener.close();
	const own = () => ownPrefixes(Object.values(os.networkInterfaces()).flatMap((each) => each ?? []));
	const done = filterFrames(guest, outside, () => makePolicy(order, own()));
	scope.defer(async () => {
		tap.kill("SIGKILL");
		guest.destroy();
		await done;
	});
	return scope.move();
}

/** The cells of a column that docs/security-probes.md has. */
function documented(column: Column): Record<string, boolean> {
	const rows = TABLE.split("\n")
		.filter((line) => line.startsWith("| "))
		.map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "")));
	const at = (rows[0] ?? []).indexOf(column === "default" ? column : `\`${column}\``);
	return Object.fromEntries(rows.slice(2).map((cells) => [cells[0] ?? "", cells[at] === REACHED]));
}

const columns = (Object.keys(COLUMNS) as Column[]).filter((column) => column !== "--network none");
const probes = PROBES.filter(({ lines }) => !lines.some((line) => line.startsWith("vsock")));

test.skipIf(!canPlayInternet()).each(columns)(
	"%s: what docs/security-probes.md says",
	async (column) => {
		await using _guest = await openGuest(policyOf(column));
		const seen: Record<string, boolean> = {};
		for (const { name, lines, place, port } of probes) {
			const from = place === null ? 0 : await internet.count(place, port);
			const argv = ["ip", "netns", "exec", NAMESPACE, "perl", join(import.meta.dir, "probe.pl")];
			const { stdout, stderr } = await tool(argv, { input: `${lines.join("\n")}\n` });
			expect([stdout.trim().split("\n").length, stderr]).toEqual([lines.length, ""]);
			const isCounted = place !== null && (await internet.count(place, port)) > from;
			seen[name] = place === null ? /: (answered|connected)/.test(stdout) : isCounted;
		}
		const expected = documented(column);
		expect(seen).toEqual(Object.fromEntries(probes.map(({ name }) => [name, expected[name] ?? false])));
	},
	TIMEOUT_MS,
);
