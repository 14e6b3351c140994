/** What the build says while it works: a live line on a terminal, plain lines elsewhere. */

/** Without a terminal, a running task says that it lives this often. */
const PLAIN_INTERVAL_MS = 15_000;
const LIVE_INTERVAL_MS = 120;
const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

interface Task {
	readonly name: string;
	readonly started: number;
	detail: string;
}

const running = new Set<Task>();
const live = process.stderr.isTTY === true;
let timer: ReturnType<typeof setInterval> | undefined;
let frame = 0;

/** Runs `work` as a task whose name and age are shown until it ends. `work` may report what it is at. */
export async function task<T>(name: string, work: (detail: (text: string) => void) => Promise<T>): Promise<T> {
	const self: Task = { name, started: performance.now(), detail: "" };
	running.add(self);
	timer ??= setInterval(tick, live ? LIVE_INTERVAL_MS : PLAIN_INTERVAL_MS);
	if (!live) process.stderr.write(`… ${name}\n`);
	try {
		const result = await work((text) => {
			self.detail = text;
		});
		say(`✓ ${name} (${seconds(self)})`);
		return result;
	} catch (error) {
		say(`✗ ${name} (${seconds(self)})`);
		throw error;
	} finally {
		running.delete(self);
		if (running.size === 0) {
			clearInterval(timer);
			timer = undefined;
		}
	}
}

/** One line that stays. */
export function say(line: string): void {
	process.stderr.write(`${live ? "\r\x1b[K" : ""}${line}\n`);
}

function tick(): void {
	if (!live) {
		for (const each of running) say(`… ${each.name} (${seconds(each)})${each.detail === "" ? "" : `: ${each.detail}`}`);
		return;
	}
	frame = (frame + 1) % SPINNER.length;
	const text = [...running].map((each) => `${each.name} ${seconds(each)}`).join(" · ");
	const width = (process.stderr.columns ?? 80) - 3;
	process.stderr.write(`\r\x1b[K${SPINNER[frame]} ${text.slice(0, width)}`);
}

function seconds(each: Task): string {
	return `${((performance.now() - each.started) / 1000).toFixed(1)} s`;
}
