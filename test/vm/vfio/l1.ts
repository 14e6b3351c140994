/**
 * The host of the nested test: a QEMU machine on software emulation with an IOMMU and devices to pass on, in which the built
 * binary runs as on any host. Commands go in by a virtio port and come out by a shared folder.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Picture, parsePpm } from "../../../src/smoke/picture.ts";
import { Qmp } from "../../../src/vm/qmp.ts";
import { l1Image, testContext } from "./image.ts";
import { type CommandOptions, type CommandOutcome, CommandPort, L1Command } from "./l1-commands.ts";
import { HOST_ENV, prepareHost } from "./l1-host.ts";
import { type L1Options, type L1Paths, l1Argv } from "./machine-l1.ts";

/** A test that hangs shows in minutes; two busy cores take 20 s for the start. */
const START_TIMEOUT_MS = 120_000;
const COMMAND_TIMEOUT_MS = 300_000;

const NVME_BYTES = 16 * 1024 * 1024;

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
		const { promise: late, reject } = Promise.withResolvers<never>();
		const timer = setTimeout(
			() => reject(new Error(`L1 is not up after ${START_TIMEOUT_MS / 1000} s: ${told()}`)),
			START_TIMEOUT_MS,
		);
		await Promise.race([port.answer("ready"), dead, late]).finally(() => clearTimeout(timer));
		const seconds = (performance.now() - from) / 1000;
		return new L1(folder, { qmp, port, seconds, dead }, scope.move());
	}

	/** Starts a shell script in L1. `$VG` is the binary under test. */
	start(script: string, { user = "root", timeoutMs = COMMAND_TIMEOUT_MS }: CommandOptions = {}): L1Command {
		const id = `c${this.#next++}`;
		if (user === "root") writeFileSync(join(this.share, `${id}.sh`), `${HOST_ENV}${script}\n`);
		else {
			const own = `export HOME=/home/${user} USER=${user} LOGNAME=${user}\ncd "$HOME"\n`;
			writeFileSync(join(this.share, `${id}.user.sh`), `${own}${HOST_ENV}${script}\n`, { mode: 0o755 });
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
