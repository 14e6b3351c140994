/** What a running launcher does for others: answers its command socket, forwards published ports, keeps its record. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../errors.ts";
import type { Interrupts } from "../interrupts.ts";
import { networkLabel } from "../plan/network.ts";
import type { GuestSession } from "../ssh/client.ts";
import { type Command, serveCommands } from "../vm/command-socket.ts";
import { describeForward, openForward, parseForward } from "../vm/forwards.ts";
import { INSTANCE_FILE } from "../vm/instance-record.ts";
import { grabScreen } from "../vm/screen.ts";
import { stopMachine } from "../vm/stop.ts";
import { warnIfOpen } from "./forward.ts";
import type { OpenRun } from "./open-run.ts";

export interface Serving extends AsyncDisposable {
	/** The agent answers: ports and other verbs may use it from now on. */
	isUp(): void;
	/** `stop --force` ended the machine: there is nothing to judge. */
	readonly forced: boolean;
	/** Takes the machine down. */
	stop(): Promise<{ orderly: boolean }>;
}

/** @throws Fault if a port cannot be had: before the guest is up, so that nobody waits for nothing. */
export async function serve(
	{ machine, instance }: OpenRun,
	publish: readonly string[],
	interrupts: Interrupts,
): Promise<Serving> {
	await using scope = new AsyncDisposableStack();
	const { promise: up, resolve: isUp } = Promise.withResolvers<void>();
	const shared = new SharedSession(() => machine.login());
	scope.use(shared);
	const published: string[] = [];
	for (const each of publish.map(parseForward)) {
		// Until the guest is up a connection waits.
		const connect = async (port: number) => {
			await up;
			return await (await shared.get()).connect("127.0.0.1", port);
		};
		const opened = scope.use(await openForward(each, connect));
		warnIfOpen(opened);
		published.push(describeForward(opened));
	}
	let forced = false;
	const stop = () => {
		instance.update({ stage: "stopping" });
		return stopMachine(machine, interrupts);
	};
	const handle = async (command: Command) => {
		switch (command.command) {
			case "stop":
				if (command.force) {
					forced = true;
					await machine.qmp.execute("quit");
				} else interrupts.ask();
				return {};
			case "screenshot": {
				if (machine.plan.gpu === "none") throw new Fault("This machine has no screen");
				const name = `${INSTANCE_FILE.screen}-${crypto.randomUUID()}.png`;
				// QEMU writes where it may; what is handed on lies where it may not.
				const dump = join(instance.machineFolder, name);
				const picture = await grabScreen(machine, () => shared.get(), dump, "png");
				const path = join(instance.folder, name);
				writeFileSync(path, picture, { mode: 0o600 });
				return { path };
			}
		}
	};
	scope.use(await serveCommands(instance.folder, handle));
	const { accelerator, gpu, display, vcpus, memoryMiB, control } = machine.plan;
	const network = networkLabel(machine.plan);
	const shown = { accelerator, gpu, display, vcpus, memoryMiB, network };
	instance.update({ stage: "booting", machine: shown, control, published });
	const moved = scope.move();
	return {
		isUp: () => {
			instance.update({ stage: "up" });
			isUp();
		},
		get forced() {
			return forced;
		},
		stop,
		[Symbol.asyncDispose]: () => moved.disposeAsync(),
	};
}

/** One login for all that the launcher does by itself; a lost one is made anew. */
class SharedSession implements Disposable {
	readonly #login: () => Promise<GuestSession>;
	#session: Promise<GuestSession> | null = null;

	constructor(login: () => Promise<GuestSession>) {
		this.#login = login;
	}

	get(): Promise<GuestSession> {
		if (this.#session) return this.#session;
		const session = this.#login();
		this.#session = session;
		const forget = () => {
			if (this.#session === session) this.#session = null;
		};
		session.then((opened) => opened.closed.then(forget), forget);
		return session;
	}

	[Symbol.dispose](): void {
		void this.#session?.then((session) => session[Symbol.dispose]()).catch(() => {});
	}
}
