/**
 * The host of the nested test: a QEMU machine on software emulation with an IOMMU and devices to pass on, in which the built
 * binary runs as on any host. Commands go in by a virtio port and come out by a shared folder.
 */
import {
	existsSync,
	linkSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	truncateSync,
	writeFileSync,
} from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedQemu } from "../../../src/host/qemu.ts";
import { type Picture, parsePpm } from "../../../src/smoke/picture.ts";
import { assetPath, assetsFolder, type Embedded, ensureAssets } from "../../../src/vm/assets.ts";
import { type AssetName, manifestSchema } from "../../../src/vm/manifest.ts";
import { Qmp } from "../../../src/vm/qmp.ts";
import { BINARY } from "../harness.ts";
import { l1Image, REPO, testContext } from "./image.ts";
import { type L1Options, type L1Paths, l1Argv } from "./machine-l1.ts";

/** A test that hangs shows in minutes; two busy cores take 20 s for the start. */
const START_TIMEOUT_MS = 120_000;
const COMMAND_TIMEOUT_MS = 300_000;

const NVME_BYTES = 16 * 1024 * 1024;
const NAMES: readonly AssetName[] = ["kernel", "initramfs", "root", "guest", "qemu"];

/** Inside L1: the binary under test, with its assets extracted already. Nested, that would take minutes. */
export const VG = "/host/virtualghost";
const VG_ENV = "export XDG_CACHE_HOME=/host/cache XDG_RUNTIME_DIR=/run/user/$(id -u)\n";

export interface CommandOutcome {
	/** 128 + N for a signal. */
	readonly code: number;
	/** Both streams, as they came. */
	readonly output: string;
	readonly seconds: number;
}

export interface CommandOptions {
	/** Account in L1: root, ghost (may use sudo) or nobody-else (may not). */
	readonly user?: "root" | "ghost" | "nobody-else";
	readonly timeoutMs?: number;
}

/** A command that runs in L1. */
export class L1Command {
	readonly outcome: Promise<CommandOutcome>;
	readonly #path: string;

	constructor(path: string, exit: Promise<number>, timeoutMs: number) {
		const from = performance.now();
		this.#path = path;
		const { promise: late, reject } = Promise.withResolvers<never>();
		const timer = setTimeout(() => reject(new Error(`no end within ${timeoutMs} ms: ${this.output}`)), timeoutMs);
		this.outcome = Promise.race([exit, late])
			.then((code) => ({ code, output: this.output, seconds: (performance.now() - from) / 1000 }))
			.finally(() => clearTimeout(timer));
	}

	/** What it has said so far. */
	get output(): string {
		return existsSync(this.#path) ? readFileSync(this.#path, "utf8") : "";
	}

	/** Waits for a text in the output. @throws Error if the command ends without it */
	async says(text: string | RegExp): Promise<void> {
		const said = () => (typeof text === "string" ? this.output.includes(text) : text.test(this.output));
		let ended = false;
		const end = () => {
			ended = true;
		};
		this.outcome.then(end, end);
		while (!said()) {
			if (ended && !said()) throw new Error(`never said ${text}: ${this.output}`);
			await Bun.sleep(50);
		}
	}
}

interface Parts {
	readonly qmp: Qmp;
	readonly port: CommandPort;
	readonly seconds: number;
	/** Rejects when L1 ends. */
	readonly dead: Promise<never>;
}

export class L1 implements AsyncDisposable {
	/** Folder that L1 sees as /share. */
	readonly share: string;
	/** Seconds from the start of QEMU to the first command. */
	readonly startSeconds: number;
	readonly #scope: AsyncDisposableStack;
	readonly #qmp: Qmp;
	readonly #port: CommandPort;
	readonly #folder: string;
	readonly #dead: Promise<never>;
	#next = 1;

	private constructor(folder: string, parts: Parts, scope: AsyncDisposableStack) {
		this.#folder = folder;
		this.share = join(folder, "share");
		this.#qmp = parts.qmp;
		this.#port = parts.port;
		this.#dead = parts.dead;
		this.startSeconds = parts.seconds;
		this.#scope = scope;
	}

	/** Boots it. @throws Error with its console if it does not come up */
	static async start(options: L1Options = {}): Promise<L1> {
		await using scope = new AsyncDisposableStack();
		const folder = mkdtempSync(join(tmpdir(), "vg-l1-"));
		scope.defer(() => rmSync(folder, { recursive: true, force: true }));
		const { qemu, host } = await prepareHost();
		const paths: L1Paths = {
			image: await l1Image(testContext()),
			share: join(folder, "share"),
			host,
			nvme: join(folder, "nvme.img"),
			serial: join(folder, "serial.log"),
			qmp: join(folder, "qmp"),
			commands: join(folder, "commands"),
		};
		mkdirSync(paths.share);
		writeFileSync(paths.nvme, "");
		truncateSync(paths.nvme, NVME_BYTES);
		const from = performance.now();
		const child = Bun.spawn([...qemu.facts.command, "-L", qemu.facts.dataFolder ?? "", ...l1Argv(paths, options)], {
			env: { PATH: "/nonexistent", ...qemu.env },
			stdin: "ignore",
			stdout: Bun.file(join(folder, "qemu.log")),
			stderr: Bun.file(join(folder, "qemu.log")),
		});
		scope.defer(async () => {
			child.kill("SIGKILL");
			await child.exited;
		});
		const told = () =>
			["serial.log", "qemu.log"]
				.map((name) => (existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : ""))
				.join("");
		const dead = child.exited.then((code) => {
			throw new Error(`L1 ended with ${code}: ${told()}`);
		});
		dead.catch(() => {});
		const qmp = new Qmp(await Promise.race([connect(paths.qmp), dead]));
		await qmp.negotiate().catch(() => dead);
		const port = new CommandPort(await Promise.race([connect(paths.commands), dead]));
		const late = Bun.sleep(START_TIMEOUT_MS).then(() => {
			throw new Error(`L1 is not up after ${START_TIMEOUT_MS / 1000} s: ${told()}`);
		});
		late.catch(() => {});
		await Promise.race([port.answer("ready"), dead, late]);
		const seconds = (performance.now() - from) / 1000;
		return new L1(folder, { qmp, port, seconds, dead }, scope.move());
	}

	/** Starts a shell script in L1. `$VG` is the binary under test. */
	start(script: string, { user = "root", timeoutMs = COMMAND_TIMEOUT_MS }: CommandOptions = {}): L1Command {
		const id = `c${this.#next++}`;
		const head = `export VG=${VG}\n${VG_ENV}`;
		if (user === "root") writeFileSync(join(this.share, `${id}.sh`), `${head}${script}\n`);
		else {
			const own = `export HOME=/home/${user} USER=${user} LOGNAME=${user}\ncd "$HOME"\n`;
			writeFileSync(join(this.share, `${id}.user.sh`), `${own}${head}${script}\n`, { mode: 0o755 });
			// What a host's administrator has to allow for passing cards; a test of the limit sets a lower one again.
			const become = `ulimit -l unlimited\nexec setpriv --reuid=${user} --regid=${user} --init-groups sh /share/${id}.user.sh\n`;
			writeFileSync(join(this.share, `${id}.sh`), become);
		}
		const exit = Promise.race([this.#port.answer(id), this.#dead]);
		this.#port.send(id);
		return new L1Command(join(this.share, `${id}.out`), exit, timeoutMs);
	}

	/** Runs a shell script in L1 to its end. */
	run(script: string, options?: CommandOptions): Promise<CommandOutcome> {
		return this.start(script, options).outcome;
	}

	/** As `run`. @throws Error with the output if it fails */
	async ok(script: string, options?: CommandOptions): Promise<string> {
		const { code, output } = await this.run(script, options);
		if (code !== 0) throw new Error(`${script}\nended with ${code}: ${output}`);
		return output;
	}

	/** What a display of L1's shows now, seen from outside. */
	async screen(device: string): Promise<Picture> {
		const filename = join(this.#folder, `${device}.ppm`);
		await this.#qmp.execute("screendump", { filename, device, format: "ppm" });
		return parsePpm(readFileSync(filename));
	}

	/** The kernel's console. */
	get console(): string {
		return readFileSync(join(this.#folder, "serial.log"), "utf8");
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#scope.disposeAsync();
	}
}

/** Names of scripts go out, `name code` comes in. */
class CommandPort {
	readonly #socket: net.Socket;
	readonly #waiting = new Map<string, (code: number) => void>();

	constructor(socket: net.Socket) {
		this.#socket = socket;
		let rest = "";
		socket.on("data", (bytes: Buffer) => {
			const lines = (rest + bytes.toString("latin1")).split("\n");
			rest = lines.pop() ?? "";
			for (const line of lines) {
				const [id = "", code = ""] = line.trim().split(" ");
				this.#waiting.get(id)?.(Number(code));
				this.#waiting.delete(id);
			}
		});
	}

	/** Its exit code. Never rejects: race it. */
	answer(id: string): Promise<number> {
		return new Promise((resolve) => this.#waiting.set(id, resolve));
	}

	send(id: string): void {
		this.#socket.write(`${id}\n`);
	}
}

/** QEMU makes its sockets some milliseconds after its start. */
async function connect(path: string): Promise<net.Socket> {
	const end = Date.now() + START_TIMEOUT_MS;
	while (!existsSync(path)) {
		if (Date.now() > end) throw new Error(`${path} never came`);
		await Bun.sleep(20);
	}
	const socket = net.connect({ path });
	socket.on("error", () => socket.destroy());
	await new Promise<void>((resolve, reject) => {
		socket.once("connect", () => resolve());
		socket.once("close", () => reject(new Error(`nobody at ${path}`)));
	});
	return socket;
}

/** `dist/vfio-host`: the binary and its extracted assets, as L1 sees them under /host. QEMU for L1 itself is the same bundle. */
async function prepareHost() {
	const host = join(REPO, "dist/vfio-host");
	const assets = join(REPO, "dist/assets/x64");
	const cache = join(host, "cache/virtualghost");
	mkdirSync(cache, { recursive: true });
	rmSync(join(host, "virtualghost"), { force: true });
	linkSync(BINARY, join(host, "virtualghost"));
	const manifest = manifestSchema.parse(await Bun.file(join(assets, "manifest.json")).json());
	const files = Object.fromEntries(manifest.assets.map((asset) => [asset.name, join(assets, asset.file)]));
	const embedded: Embedded = { manifest, files };
	const kept = new Set(NAMES.map((name) => assetPath(cache, manifest, name)));
	const folder = assetsFolder(cache);
	const paths = await ensureAssets(embedded, cache, NAMES, () => {}, new AbortController().signal);
	for (const name of readdirSync(folder)) {
		if (!kept.has(join(folder, name))) rmSync(join(folder, name), { recursive: true, force: true });
	}
	if (!manifest.qemu) throw new Error("dist/assets is without QEMU");
	return { host, qemu: embeddedQemu(paths.get("qemu") ?? "", manifest.qemu) };
}
