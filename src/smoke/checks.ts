/** The checks of `run --headless-test`: each proves one promise of the product on the running machine. */

import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config/schema.ts";
import { Fault, reason } from "../errors.ts";
import { isAtLeast } from "../plan/facts.ts";
import type { GuestSession } from "../ssh/client.ts";
import { generateKeyPair } from "../ssh/keys.ts";
import type { Instance } from "../vm/instance.ts";
import { INSTANCE_FILE } from "../vm/instance-record.ts";
import type { Machine } from "../vm/machine.ts";
import { FIND_WAYLAND, grabScreen } from "../vm/screen.ts";
import { GUEST_UID, PROTOCOL_VERSION } from "../wire/names.ts";
import { keysFor } from "./keyboard.ts";
import { changedPixels, drawnShare, type Picture, parsePpm } from "./picture.ts";

/** Returns a detail for the report. @throws Fault if the promise does not hold. */
export type Check = () => Promise<string>;

/** Where a check's failure is explained. */
export type CheckLog = "serial" | "qemu" | "launcher";

export interface NamedCheck {
	readonly name: string;
	readonly log: CheckLog;
	readonly check: Check;
}

/** A prompt is a few hundred pixels; a blinking cursor about 200. */
const DRAWN_SHARE_MIN = 0.0005;
const DRAW_WAIT_MS = 15_000;
const CHANGED_PIXELS_MIN = 300;
/** As fast as a person: a guest that does not look for a second still has them all (an event device keeps 64 events, four a key). */
const KEY_HOLD_MS = 60;
const SECOND_EXIT_MS = 20_000;
const STATE_WAIT_MS = 10_000;
const TOKEN_WAIT_S = 60;
const POWEROFF_WAIT_MS = 120_000;

function must(condition: boolean, what: string): asserts condition {
	if (!condition) throw new Fault(what);
}

export class SmokeChecks implements Disposable {
	readonly #machine: Machine;
	readonly #instance: Instance;
	readonly #timeoutMs: number;
	readonly #screenshot: string | undefined;
	#session: GuestSession | null = null;
	#before: Picture | null = null;

	constructor(machine: Machine, instance: Instance, config: Config, screenshot: string | undefined) {
		this.#machine = machine;
		this.#instance = instance;
		this.#timeoutMs = config.timeouts.bootSeconds * 1000;
		this.#screenshot = screenshot;
	}

	/** In the order in which they must run: each builds on the ones before. */
	list(): NamedCheck[] {
		const checks: NamedCheck[] = [
			{ name: "accelerator", log: "qemu", check: () => Promise.resolve(this.#machine.plan.accelerator) },
			{ name: "boot", log: "serial", check: () => this.#boot() },
			{ name: "agent answers", log: "serial", check: () => this.#agent() },
			{ name: "wrong key refused", log: "serial", check: () => this.#wrongKey() },
			{ name: "exec returns the guest's exit code", log: "serial", check: () => this.#exec() },
			{ name: "session up as an unprivileged user", log: "serial", check: () => this.#sessionUp() },
		];
		if (this.#machine.plan.gpu === "virgl") {
			checks.push({ name: "renderer is virgl with OpenGL 4.3 or newer", log: "qemu", check: () => this.#renderer() });
		}
		checks.push(
			{ name: "screen is not blank", log: "qemu", check: () => this.#screenDrawn() },
			{ name: "typed keys reach the shell in the terminal", log: "serial", check: () => this.#typing() },
			{ name: "screen changed after typing", log: "qemu", check: () => this.#screenChanged() },
			{ name: "closing the terminal powers the guest off", log: "serial", check: () => this.#closing() },
		);
		return checks;
	}

	get #guest(): GuestSession {
		must(this.#session !== null, "the agent was not reached");
		return this.#session;
	}

	async #boot(): Promise<string> {
		await this.#machine.reach("agent", this.#timeoutMs);
		return "kernel, initramfs and systemd";
	}

	async #agent(): Promise<string> {
		this.#session = await this.#machine.login();
		const hello = await this.#session.control({ op: "hello", protocol: PROTOCOL_VERSION });
		return `${this.#machine.plan.control.kind}, agent ${hello.version ?? "?"}`;
	}

	async #wrongKey(): Promise<string> {
		let opened: GuestSession;
		try {
			opened = await this.#machine.login(undefined, generateKeyPair("not the launcher"));
		} catch (error) {
			const why = error instanceof Fault ? (error.details.why ?? "") : "";
			must(/authentication/i.test(why), `refused, but not as a wrong key is: ${reason(error)} ${why}`);
			return "authentication failed, as it must";
		}
		opened[Symbol.dispose]();
		throw new Fault("a key that nobody gave the guest was let in");
	}

	async #exec(): Promise<string> {
		const token = randomBytes(8).toString("hex");
		const result = await this.#guest.exec(`echo ${token}; echo err >&2; exit 42`);
		must(result.code === 42, `exit code ${result.code} in place of 42`);
		must(
			result.stdout.toString() === `${token}\n` && result.stderr.toString() === "err\n",
			"the output is not what was written",
		);
		const pty = await this.#guest.exec("tty && stty size; exit 7", { pty: { cols: 111, rows: 33 } });
		must(pty.code === 7 && /\/dev\/pts\/\d+\s+33 111/.test(pty.stdout.toString()), `no PTY: ${pty.stdout.toString()}`);
		return "42 with pipes, 7 on a PTY";
	}

	async #sessionUp(): Promise<string> {
		await this.#machine.reach("terminal", this.#timeoutMs);
		const result = await this.#guest.exec("ps -eo uid=,comm=");
		const processes = result.stdout
			.toString()
			.split("\n")
			.map((line) => line.trim().split(/\s+/));
		const uidOf = (names: readonly string[]) =>
			processes.find(([, name]) => name !== undefined && names.includes(name))?.[0];
		must(uidOf(["cage"]) === String(GUEST_UID), "the compositor does not run as the session's user");
		must(uidOf(["ghostty", "foot"]) === String(GUEST_UID), "the terminal does not run as the session's user");
		return `uid ${GUEST_UID}`;
	}

	async #renderer(): Promise<string> {
		// Debian names the program by its architecture.
		const { stdout } = await this.#guest.exec(`${FIND_WAYLAND}; $(ls /usr/bin/eglinfo* | head -n 1) -p wayland`);
		const text = stdout.toString();
		const renderer = /OpenGL core profile renderer: (.*)/.exec(text)?.[1] ?? "";
		const version = /OpenGL core profile version: (\d+\.\d+)/.exec(text)?.[1] ?? "0";
		must(/virgl/i.test(renderer), `the renderer is "${renderer}"`);
		must(isAtLeast(version, "4.3"), `OpenGL is ${version} only`);
		return `${renderer}, OpenGL ${version}`;
	}

	async #grab(): Promise<Picture> {
		return parsePpm(await this.#grabAs("ppm"));
	}

	async #grabAs(format: "ppm" | "png"): Promise<Buffer> {
		const session = () => Promise.resolve(this.#guest);
		return await grabScreen(this.#machine, session, join(this.#instance.machineFolder, INSTANCE_FILE.screen), format);
	}

	async #screenDrawn(): Promise<string> {
		// The first prompt is announced a moment before its pixels are on the screen.
		const end = Date.now() + DRAW_WAIT_MS;
		let share = 0;
		do {
			this.#before = await this.#grab();
			share = drawnShare(this.#before);
		} while (share < DRAWN_SHARE_MIN && Date.now() < end);
		must(share >= DRAWN_SHARE_MIN, `only ${(share * 100).toFixed(3)} % of the pixels are drawn`);
		return `${this.#before.width}x${this.#before.height}, ${(share * 100).toFixed(2)} % drawn`;
	}

	async #typing(): Promise<string> {
		const token = randomBytes(4).toString("hex");
		const file = `/tmp/typed-${token}`;
		await this.#type(`echo ${token}>${file}\n`);
		const wait = `for i in $(seq ${TOKEN_WAIT_S * 10}); do [ -s ${file} ] && exec cat ${file}; sleep 0.1; done; exit 1`;
		const result = await this.#guest.exec(wait, { timeoutMs: 2 * TOKEN_WAIT_S * 1000 });
		must(
			result.stdout.toString() === `${token}\n`,
			`the shell wrote ${JSON.stringify(result.stdout.toString().slice(0, 100))}`,
		);
		return `token ${token} came back`;
	}

	async #type(text: string): Promise<void> {
		for (const char of text) {
			const keys = keysFor(char).map((data) => ({ type: "qcode", data }));
			await this.#machine.qmp.execute("send-key", { keys, "hold-time": KEY_HOLD_MS });
		}
	}

	async #screenChanged(): Promise<string> {
		must(this.#before !== null, "there is no picture from before");
		const after = await this.#grab();
		const changed = changedPixels(this.#before, after);
		must(changed >= CHANGED_PIXELS_MIN, `only ${changed} pixels changed`);
		if (this.#screenshot) {
			writeFileSync(this.#screenshot, await this.#grabAs("png"));
		}
		return `${changed} pixels`;
	}

	async #closing(): Promise<string> {
		await this.#type("exit\n");
		const { child } = this.#machine;
		// A machine that gets no processor for a second loses keys; those are another check's.
		if (!(await child.exitsWithin(SECOND_EXIT_MS)) && (await this.#sessionState()) === "up")
			await this.#type("\nexit\n");
		if (!(await child.exitsWithin(POWEROFF_WAIT_MS))) {
			throw new Fault(`the guest did not power off; its session is ${await this.#sessionState()}`);
		}
		const ending = await this.#machine.ended;
		must(ending.exitCode === 0, `QEMU ended with ${ending.exitCode}`);
		must(
			ending.shutdown === "guest-shutdown",
			`the machine ended by ${ending.shutdown ?? "itself"}, not by the guest's shutdown`,
		);
		return ending.shutdown;
	}

	async #sessionState(): Promise<string> {
		const state = this.#guest.control({ op: "state" }).then(({ session }) => session ?? "unknown");
		return await Promise.race([state, Bun.sleep(STATE_WAIT_MS).then(() => "unknown")]).catch(() => "unknown");
	}

	[Symbol.dispose](): void {
		this.#session?.[Symbol.dispose]();
	}
}
