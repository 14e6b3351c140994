/** Starting one external program of the build: output goes to a log file, a failure becomes a Fault that shows its end. */
import { appendFileSync, closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { Fault } from "../../src/errors.ts";

export interface RunOptions {
	/** File that stdout and stderr are appended to. */
	readonly log: string;
	readonly cwd?: string;
	/** Added to a small, fixed environment. */
	readonly env?: Readonly<Record<string, string>>;
	/** Text for stdin; nothing by default. */
	readonly input?: string;
	/** Called with every whole line of stderr, for progress. */
	readonly onLine?: (line: string) => void;
}

/** Characters of output that a Fault shows. */
const TAIL_CHARS = 1500;

/** Runs argv and gives its stdout as bytes. Throws a Fault when it can't be started or exits with a non-zero status. */
export async function runBytes(argv: readonly string[], options: RunOptions): Promise<Uint8Array> {
	mkdirSync(dirname(options.log), { recursive: true });
	appendFileSync(options.log, `+ ${argv.map((word) => JSON.stringify(word)).join(" ")}\n`);
	const child = spawn(argv, options);
	const [out, errors, status] = await Promise.all([
		new Response(child.stdout).arrayBuffer(),
		follow(child.stderr, options),
		child.exited,
	]);
	if (status !== 0) {
		const tail = (errors.trim() === "" ? new TextDecoder().decode(out) : errors).slice(-TAIL_CHARS);
		throw new Fault(`${argv[0]} failed with status ${status}`, { tail, log: options.log });
	}
	return new Uint8Array(out);
}

export async function runText(argv: readonly string[], options: RunOptions): Promise<string> {
	return new TextDecoder().decode(await runBytes(argv, options));
}

/** For programs whose stdout is only of interest when they fail. */
export async function run(argv: readonly string[], options: RunOptions): Promise<void> {
	const out = await runBytes(argv, options);
	appendFileSync(options.log, out);
}

function spawn(argv: readonly string[], options: RunOptions) {
	try {
		return Bun.spawn([...argv], {
			...(options.cwd === undefined ? {} : { cwd: options.cwd }),
			env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "/", LC_ALL: "C.UTF-8", ...options.env },
			stdin: options.input === undefined ? "ignore" : new TextEncoder().encode(options.input),
			stdout: "pipe",
			stderr: "pipe",
		});
	} catch (error) {
		throw new Fault(`cannot start ${argv[0]}`, { why: String(error), fix: "Install it and build again." });
	}
}

/** Copies a stream to the log as it comes, so that a killed build leaves what was said so far; gives its last part. */
async function follow(stream: ReadableStream<Uint8Array>, options: RunOptions): Promise<string> {
	const log = openSync(options.log, "a");
	const decoder = new TextDecoder();
	let tail = "";
	let line = "";
	try {
		for await (const chunk of stream) {
			writeSync(log, chunk);
			const text = decoder.decode(chunk, { stream: true });
			tail = (tail + text).slice(-TAIL_CHARS);
			const lines = (line + text).split(/[\r\n]/);
			line = lines.pop() ?? "";
			for (const whole of lines) if (whole.trim() !== "") options.onLine?.(whole.trim());
		}
	} finally {
		closeSync(log);
	}
	return tail;
}
