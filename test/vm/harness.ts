/** Runs the built binary as a user would: own empty folder, own empty HOME, nothing of this checkout in reach. */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const BINARY = join(import.meta.dir, "../../dist/virtualghost");

/** Boots on software emulation take 20-60 s on two busy cores; a test that hangs shows in minutes, not hours. */
export const BOOT_TIMEOUT_MS = 300_000;

export interface Outcome {
	readonly code: number;
	/** Name or number, as Bun tells it. */
	readonly signal: string | number | null;
	readonly stdout: string;
	readonly stderr: string;
	readonly seconds: number;
}

export interface RunOptions {
	readonly env?: Record<string, string>;
	readonly cwd?: string;
}

/** A user with nothing: HOME, runtime folder and working folder are new, PATH leads nowhere. */
export class Sandbox implements Disposable {
	readonly root = mkdtempSync(join(tmpdir(), "vg-test-"));
	readonly home = join(this.root, "home");
	readonly cwd = join(this.root, "cwd");
	readonly runtime = join(this.root, "run");

	constructor() {
		for (const folder of [this.home, this.cwd, this.runtime]) mkdirSync(folder, { mode: 0o700 });
	}

	get env(): Record<string, string> {
		return {
			HOME: this.home,
			XDG_RUNTIME_DIR: this.runtime,
			PATH: "/nonexistent",
			LANG: "C.UTF-8",
			// A second machine in the background of each test would take its time; warm.test.ts turns it on.
			VIRTUALGHOST_SNAPSHOT_AUTO: "false",
		};
	}

	get cache(): string {
		return join(this.home, ".cache/virtualghost");
	}

	/** The binary alone, copied into the working folder. */
	copyBinary(): string {
		const path = join(this.cwd, "virtualghost");
		copyFileSync(BINARY, path);
		return path;
	}

	start(args: readonly string[], options: RunOptions & { binary?: string } = {}): Started {
		return new Started(options.binary ?? BINARY, args, { ...this.env, ...options.env }, options.cwd ?? this.cwd);
	}

	run(args: readonly string[], options: RunOptions & { binary?: string } = {}): Promise<Outcome> {
		return this.start(args, options).outcome;
	}

	/** Processes whose command line names this sandbox: QEMU and its helper do, by the paths of their images. */
	processes(): string[] {
		return processesNaming(this.root);
	}

	/** Waits for the processes to be gone; returns those that are not. */
	async lingering(seconds: number): Promise<string[]> {
		const end = Date.now() + seconds * 1000;
		for (;;) {
			const left = this.processes();
			if (left.length === 0 || Date.now() > end) return left;
			await Bun.sleep(50);
		}
	}

	/** Instance folders that are left. */
	instances(): string[] {
		const folder = join(this.runtime, "virtualghost");
		return existsSync(folder) ? readdirSync(folder) : [];
	}

	/** Names in the assets folder, temporaries included. */
	assets(): string[] {
		const folder = join(this.cache, "assets");
		return existsSync(folder) ? readdirSync(folder).sort() : [];
	}

	logs(name: string): string {
		const runs = join(this.home, ".local/state/virtualghost/runs");
		if (!existsSync(runs)) return "";
		const last = readdirSync(runs).sort().at(-1) ?? "";
		const path = join(runs, last, name);
		return existsSync(path) ? readFileSync(path, "utf8") : "";
	}

	[Symbol.dispose](): void {
		for (const line of this.processes()) process.kill(Number(line.split(" ")[0]), "SIGKILL");
		rmSync(this.root, { recursive: true, force: true });
	}
}

/** A running launcher. */
export class Started {
	readonly pid: number;
	readonly outcome: Promise<Outcome>;
	stderr = "";
	stdout = "";
	readonly #child;

	constructor(binary: string, args: readonly string[], env: Record<string, string>, cwd: string) {
		const from = performance.now();
		const child = Bun.spawn([binary, ...args], { env, cwd, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
		this.#child = child;
		this.pid = child.pid;
		const collect = async (stream: ReadableStream<Uint8Array>, add: (text: string) => void) => {
			const decoder = new TextDecoder();
			for await (const chunk of stream) add(decoder.decode(chunk, { stream: true }));
		};
		const outputs = Promise.all([
			collect(child.stdout, (text) => {
				this.stdout += text;
			}),
			collect(child.stderr, (text) => {
				this.stderr += text;
			}),
		]);
		this.outcome = child.exited.then(async (code) => {
			await outputs;
			const seconds = (performance.now() - from) / 1000;
			return { code, signal: child.signalCode, stdout: this.stdout, stderr: this.stderr, seconds };
		});
	}

	kill(signal: NodeJS.Signals): void {
		this.#child.kill(signal);
	}

	/** Waits until stderr holds `text`. @throws Error if the launcher ends first, or after the time of a start. */
	async says(text: string, timeoutMs = BOOT_TIMEOUT_MS): Promise<void> {
		const end = Date.now() + timeoutMs;
		let ended = false;
		void this.outcome.then(() => {
			ended = true;
		});
		while (!this.stderr.includes(text)) {
			if (ended || Date.now() > end)
				throw new Error(`never said ${JSON.stringify(text)}: ${this.stderr}${this.stdout}`);
			await Bun.sleep(50);
		}
	}
}

/** `pid command` of each live process whose command line holds `text`. */
export function processesNaming(text: string): string[] {
	const found: string[] = [];
	for (const name of readdirSync("/proc")) {
		if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
		try {
			const line = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
			const state = readFileSync(`/proc/${name}/stat`, "utf8").split(") ")[1]?.[0];
			if (line.includes(text) && state !== "Z" && state !== "X") found.push(`${name} ${line.slice(0, 200)}`);
		} catch {
			// It ended while we looked.
		}
	}
	return found;
}

export interface ToolOptions {
	/** In place of this process's own. */
	readonly env?: Readonly<Record<string, string | undefined>>;
	readonly cwd?: string;
	/** Given on stdin; nothing otherwise. */
	readonly input?: string | Uint8Array | Bun.BunFile;
}

/** Runs a tool of this machine to its end. */
export async function tool(argv: readonly string[], options: ToolOptions = {}): Promise<Outcome> {
	const from = performance.now();
	const { env, cwd, input } = options;
	const child = Bun.spawn([...argv], {
		env: env ?? process.env,
		...(cwd === undefined ? {} : { cwd }),
		stdin: input === undefined ? "ignore" : input instanceof Blob ? input : new Blob([input as string]),
		stdout: "pipe",
		stderr: "pipe",
	});
	const [stdout, stderr, code] = await Promise.all([
		new Response(child.stdout).text(),
		new Response(child.stderr).text(),
		child.exited,
	]);
	return { code, signal: child.signalCode, stdout, stderr, seconds: (performance.now() - from) / 1000 };
}

export function sizeOf(path: string): number {
	return statSync(path).size;
}
