/** The window as a user meets it, from its first moment to its last: on a real X server with a window manager and a German keyboard. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Desktop, inGuest, until } from "./desktop.ts";
import { BOOT_TIMEOUT_MS, Sandbox, tool } from "./harness.ts";

/** Of our picture and of the terminal. */
const BACKGROUND = "282C34";
const GHOST = "E6E6F0";
const FLAGS = ["--accel", "tcg", "--memory", "1G", "--display", "sdl"] as const;
let desktop: Desktop;
let sandbox: Sandbox;

beforeAll(async () => {
	sandbox = new Sandbox();
	desktop = await Desktop.start("de");
});

afterAll(async () => {
	sandbox[Symbol.dispose]();
	await desktop[Symbol.asyncDispose]();
});

const env = () => desktop.env;

test("keyboard layout and scale are read from the desktop", async () => {
	const resources = await tool(["xrdb", "-merge", "-"], { env: { ...process.env, ...env() }, input: "Xft.dpi: 192\n" });
	expect(resources.code).toBe(0);
	await desktop.tool("setxkbmap", "de", "nodeadkeys", "-option", "caps:escape");
	try {
		const args = ["run", "--dry-run", "--json", "--display", "sdl", "--gpu", "software"];
		const window = async (...flags: string[]) => {
			const { stdout } = await sandbox.run([...args, ...flags], { env: env() });
			return (JSON.parse(stdout) as { plan: { window: Record<string, unknown> } }).plan.window;
		};
		const read = { keymap: "de:nodeadkeys:caps:escape", scale: 2, width: 2560, height: 1600, state: "plain" };
		expect(await window()).toMatchObject(read);
		const asked = await window("--keymap", "fr", "--scale", "1", "--window", "maximized");
		expect(asked).toMatchObject({ keymap: "fr", scale: 1, width: 1280, height: 800, state: "maximized" });
	} finally {
		await desktop.tool("xrdb", "-remove");
		await desktop.tool("setxkbmap", "de", "-option", "");
	}
});

test.each([
	["sdl", "software"],
	["gtk", "software"],
	["sdl", "virgl"],
])(
	"%s, %s: title, class, icon and picture are ours; closing it before there is a terminal ends it with 0",
	async (display, gpu) => {
		const args = ["-v", "--accel", "tcg", "--display", display, "--gpu", gpu, "--name", "brave-newt"];
		const started = sandbox.start(args, { env: env() });
		const window = await desktop.window();
		await started.says("booting");
		const ghost = () => desktop.share(window, GHOST, `starting-${display}-${gpu}.png`);
		expect(await until(ghost, (share) => share > 0.02)).toBeLessThan(0.2);
		const properties = await desktop.tool("xprop", "-id", window, "_NET_WM_NAME", "WM_CLASS", "_NET_WM_ICON");
		expect(properties).toMatch(/_NET_WM_NAME\(UTF8_STRING\) = "VirtualGhost — brave-newt/);
		expect(properties).toMatch(/WM_CLASS\(STRING\) = "virtualghost", "[Vv]irtualghost"/);
		expect(properties).toContain("Icon (64 x 64)");
		expect(await desktop.size(window)).toBe("1280x800");
		await desktop.close();
		const { code, stderr } = await started.outcome;
		expect(stderr).not.toContain("warning");
		expect([code, stderr]).toEqual([0, expect.anything()]);
		expect([sandbox.processes(), sandbox.instances()]).toEqual([[], []]);
	},
	BOOT_TIMEOUT_MS,
);

describe.each(["software", "virgl"])("one machine from its start to its end, %s", (gpu) => {
	let window = "";
	let tty = "";
	let started: ReturnType<Sandbox["start"]>;
	const guest = (script: string, ...flags: string[]) => inGuest(sandbox, "newt", script, ...flags);
	/** Rows and columns of the terminal in the window. */
	const size = async () => (await guest(`stty -F ${tty} size`)).split(" ").map(Number) as [number, number];

	test(
		"from the first moment it shows our picture, then the terminal, and nothing else",
		async () => {
			started = sandbox.start(["-v", ...FLAGS, "--gpu", gpu, "--name", "newt"], { env: env() });
			window = await desktop.window();
			const shares: number[] = [];
			let isUp = false;
			const up = started.says("terminal up").then(() => {
				isUp = true;
			});
			while (!isUp) {
				shares.push(await desktop.share(window, BACKGROUND, `start-${shares.length % 4}.png`));
				await Bun.sleep(500);
			}
			await up;
			tty = `/dev/${await guest("ps -o tty= -C bash | grep pts | head -1")}`;
			expect(tty).toMatch(/^\/dev\/pts\/\d+$/);
			for (let i = 0; i < 10; i++) shares.push(await desktop.share(window, BACKGROUND, `after-${i % 4}.png`));
			expect(shares.length).toBeGreaterThan(5);
			expect(shares.filter((share) => share < 0.7)).toEqual([]);
			expect(await desktop.share(window, GHOST, `terminal-${gpu}.png`)).toBeLessThan(0.01);
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"the guest's screen follows its size, down and up and full screen, without a blur",
		async () => {
			const before = await size();
			const mode = () => guest("head -qn1 /sys/class/drm/card*-Virtual-1/modes");
			const follows = async (change: () => Promise<unknown>, pixels: string) => {
				await change();
				const from = performance.now();
				await until(
					() => desktop.size(window),
					(has) => has === pixels,
				);
				await until(mode, (has) => has === pixels);
				const [rows, columns] = await until(size, ([rows, columns]) => `${rows} ${columns}` !== last.join(" "));
				last = [rows, columns];
				console.log(
					`${pixels}: ${rows} rows, ${columns} columns; seen ${Math.round(performance.now() - from)} ms later`,
				);
				return last;
			};
			// Held as fingers hold them: QEMU asks which modifiers are down when it comes to the letter, not when it was pressed.
			const fullScreen = () => {
				const held = ["keydown", "ctrl", "keydown", "alt", "sleep", "0.2", "key", "f", "sleep", "0.2"];
				return desktop.tool("xdotool", ...held, "keyup", "alt", "keyup", "ctrl");
			};
			let last = before;
			const small = await follows(() => desktop.tool("xdotool", "windowsize", window, "900", "600"), "900x600");
			expect(small[0] / before[0]).toBeCloseTo(600 / 800, 1);
			expect(small[1] / before[1]).toBeCloseTo(900 / 1280, 1);
			// One pixel of the guest's is one of the host's: both pictures are the same.
			expect(await desktop.share(window, BACKGROUND, `resized-${gpu}.png`)).toBeGreaterThan(0.9);
			expect(await guest("WAYLAND_DISPLAY=wayland-0 XDG_RUNTIME_DIR=/run/user/1000 wlr-randr")).toContain("900x600");
			await desktop.focus(window);
			const full = await follows(() => fullScreen(), "1400x900");
			expect(full[1]).toBeGreaterThan(before[1]);
			const plain = await follows(() => fullScreen(), "900x600");
			expect(plain).toEqual(small);
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"the keyboard is the host's: what is typed on a German one arrives",
		async () => {
			await desktop.typeLine(window, "cat > /tmp/typed");
			await until(
				() => guest("ls /tmp"),
				(names) => names.includes("typed"),
			);
			for (const key of ["ssharp", "dead_acute", "e"]) await desktop.tool("xdotool", "key", key);
			for (const key of ["q", "less"]) {
				await desktop.tool("xdotool", "keydown", "ISO_Level3_Shift", "key", key, "keyup", "ISO_Level3_Shift");
			}
			await desktop.typeLine(window, "zy-_#");
			await desktop.tool("xdotool", "key", "ctrl+d");
			expect(
				await until(
					() => guest("cat /tmp/typed"),
					(text) => text !== "",
				),
			).toBe("ßé@|zy-_#");
			await desktop.share(window, BACKGROUND, `keyboard-${gpu}.png`);
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"the pointer is where the host's is, and the wheel turns",
		async () => {
			const modes = (letter: string) => `printf '\\033[?1000${letter}\\033[?1006${letter}'`;
			const script = `stty raw -echo; ${modes("h")}; : >/tmp/listens; timeout --foreground 5 cat >/tmp/events; ${modes("l")}; stty sane; mv /tmp/events /tmp/mouse`;
			await guest(`cat >/tmp/mouse.sh <<'E'\n${script}\nE`);
			await desktop.typeLine(window, "sh /tmp/mouse.sh");
			await until(
				() => guest("ls /tmp"),
				(names) => names.includes("listens"),
			);
			const [rows, columns] = await size();
			const clicks = ["click", "1", "click", "4", "click", "5"];
			// A hand moves: where the host's pointer stays in its place while the window changes under it, nobody is told where it is now.
			await desktop.tool("xdotool", "mousemove", "--window", window, "200", "100", "sleep", "0.2");
			await desktop.tool("xdotool", "mousemove", "--window", window, "450", "300", "sleep", "0.2", ...clicks);
			const text = await until(
				() => guest("cat -v /tmp/mouse || true"),
				(found) => found !== "",
			);
			const events = [...text.matchAll(/\^\[\[<(\d+);(\d+);(\d+)/g)].map((found) => found.slice(1).map(Number));
			// The middle of the window is the middle of the terminal.
			expect(Math.abs((events[0]?.[1] ?? 0) - columns / 2)).toBeLessThanOrEqual(2);
			expect(Math.abs((events[0]?.[2] ?? 0) - rows / 2)).toBeLessThanOrEqual(2);
			const buttons = events.map(([button]) => button);
			expect([buttons.includes(64), buttons.includes(65)]).toEqual([true, true]);
		},
		BOOT_TIMEOUT_MS,
	);

	test(
		"closing the window asks the guest to end; it ends with 0, and without a black picture",
		async () => {
			const from = performance.now();
			await desktop.close();
			await started.says("closing");
			const ghost = () => desktop.share(window, GHOST, `closing-${gpu}.png`);
			expect(await until(ghost, (share) => share > 0.02)).toBeLessThan(0.2);
			const { code, stderr } = await started.outcome;
			console.log(`closed and gone in ${((performance.now() - from) / 1000).toFixed(1)} s`);
			expect([code, stderr]).toEqual([0, expect.not.stringContaining("warning")]);
			expect(sandbox.logs("launcher.log")).toContain("guest-shutdown");
			expect([sandbox.processes(), sandbox.instances()]).toEqual([[], []]);
		},
		BOOT_TIMEOUT_MS,
	);
});
