/** The ladder on a real X server: what is chosen, what a guest that is not good enough does, and what is remembered. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { BOOT_TIMEOUT_MS, Sandbox } from "./harness.ts";
import { makeRootImage } from "./rootfs.ts";
import { XServer } from "./xserver.ts";

const PICTURES = join(import.meta.dir, "../../dist/pictures");
/** In the guest: without this extension Mesa computes OpenGL 4.2, for every program and whatever the host has. */
const DRIRC = `<driconf><device><application name="all">
<option name="mesa_extension_override" value="-GL_ARB_compute_shader"/>
</application></device></driconf>
`;
/** In the guest: on the GPU the compositor stops for good when it has its client, as in a driver that hangs; TERM does not reach it. */
const FROZEN = `#!/bin/sh
while [ -e /run/virtualghost/session/asking ]; do sleep 0.1; done
[ "$VIRTUALGHOST_GRAPHICS" = gpu ] && kill -STOP "$PPID" && sleep 10000
exec foot --config=/usr/share/virtualghost/foot.ini
`;
let x: XServer;
let sandbox: Sandbox;
let oldGuest: string;
let frozenGuest: string;

beforeAll(async () => {
	sandbox = new Sandbox();
	x = await XServer.start();
	oldGuest = join(sandbox.root, "old-gl.erofs");
	await makeRootImage(oldGuest, join(sandbox.root, "old-gl"), { "etc/drirc": DRIRC });
	frozenGuest = join(sandbox.root, "frozen.erofs");
	await makeRootImage(frozenGuest, join(sandbox.root, "frozen"), { "usr/bin/ghostty": FROZEN });
}, BOOT_TIMEOUT_MS);

afterAll(async () => {
	sandbox[Symbol.dispose]();
	await x[Symbol.asyncDispose]();
});

interface DryRun {
	readonly plan: { readonly gpu: string; readonly reasons: readonly string[] };
}

async function plan(args: readonly string[], env: Record<string, string>): Promise<DryRun["plan"]> {
	const { code, stdout, stderr } = await sandbox.run(["run", "--dry-run", "--json", ...args], { env });
	expect([code, stderr]).toEqual([0, expect.anything()]);
	return (JSON.parse(stdout) as DryRun).plan;
}

test("an X server with OpenGL: virgl, by the word of its driver", async () => {
	expect(await plan([], x.env)).toMatchObject({
		gpu: "virgl",
		reasons: expect.arrayContaining([expect.stringMatching(/^gpu: virgl \(the host gives OpenGL 4\.[3-6] of /)]),
	});
});

test("an X server without GLX: software, with the reason; asked for, virgl is an error", async () => {
	await using bare = await XServer.start("1400x900x24", false);
	expect(await plan([], bare.env)).toMatchObject({
		gpu: "software",
		reasons: expect.arrayContaining(["gpu: software (the host's OpenGL cannot be used (the X server has no GLX))"]),
	});
	const { code, stderr } = await sandbox.run(["--gpu", "virgl"], { env: bare.env });
	expect([code, stderr]).toEqual([1, expect.stringContaining("--gpu virgl does not work here")]);
	expect(stderr).toContain("the X server has no GLX");
	expect([sandbox.processes(), sandbox.instances()]).toEqual([[], []]);
});

test("gpu and doctor show every route with its verdict", async () => {
	const env = { ...x.env, MESA_GL_VERSION_OVERRIDE: "3.1" };
	const gpu = await sandbox.run(["gpu"], { env });
	expect(gpu.stdout).toMatch(/virgl +no +the host gives OpenGL 3\.1 .*and Ghostty needs 4\.3/);
	expect(gpu.stdout).toMatch(/software +chosen/);
	const doctor = await sandbox.run(["doctor", "--json"], { env: x.env });
	expect(JSON.parse(doctor.stdout)).toMatchObject({
		graphics: {
			display: "sdl",
			routes: [{ name: "vfio" }, { name: "virgl", verdict: "chosen" }, { name: "software" }],
		},
	});
});

test(
	"a host with OpenGL 3.1: the guest draws in software, with the reason, and the terminal is there",
	async () => {
		const started = sandbox.start(["-v"], { env: { ...x.env, MESA_GL_VERSION_OVERRIDE: "3.1" } });
		await started.says("terminal up");
		const picture = join(PICTURES, "gpu-host-3.1.png");
		await drawn(picture);
		started.kill("SIGINT");
		const { code, stderr } = await started.outcome;
		expect([code, stderr]).toEqual([0, expect.stringContaining("gpu: software (the host gives OpenGL 3.1 of")]);
	},
	BOOT_TIMEOUT_MS,
);

test(
	"a guest that gets less than 4.3: the session steps down by itself, one line says so, and the next start knows",
	async () => {
		expect((await plan(["--rootfs", oldGuest], x.env)).gpu).toBe("virgl");
		const started = sandbox.start(["-v", "--rootfs", oldGuest], { env: x.env });
		await started.says("terminal up");
		await drawn(join(PICTURES, "gpu-stepped-down.png"));
		started.kill("SIGINT");
		const { code, stderr } = await started.outcome;
		const warnings = stderr.split("\n").filter((line) => line.includes("warning:") && line.includes("virgl"));
		expect([code, warnings]).toEqual([
			0,
			[
				expect.stringMatching(
					/virgl does not work in the guest \(.*OpenGL 4\.2.*4\.3 is needed\); it draws in software/,
				),
			],
		]);
		expect((await plan(["--rootfs", oldGuest], x.env)).gpu).toBe("software");
		// Another image, and another driver on the host, are other matters.
		expect((await plan([], x.env)).gpu).toBe("virgl");
		const other = { ...x.env, MESA_GL_VERSION_OVERRIDE: "4.4" };
		expect((await plan(["--rootfs", oldGuest], other)).gpu).toBe("virgl");
	},
	BOOT_TIMEOUT_MS,
);

test(
	"virgl that was asked for is not replaced: the guest's word is the error",
	async () => {
		const { code, stderr } = await sandbox.run(["--gpu", "virgl", "--rootfs", oldGuest], { env: x.env });
		expect([code, stderr]).toEqual([
			1,
			expect.stringContaining("The GPU that was asked for is not good enough for the terminal"),
		]);
		expect(stderr).toMatch(/a client in the guest gets OpenGL 4\.2 .* from "virgl /);
		expect([sandbox.processes(), sandbox.instances()]).toEqual([[], []]);
	},
	BOOT_TIMEOUT_MS,
);

test(
	"a guest that draws nothing on the GPU and does not end: after its deadline the session steps down, and the terminal is there",
	async () => {
		const started = sandbox.start(["-v", "--rootfs", frozenGuest], { env: x.env });
		// A start, the deadline, and the session once more.
		await started.says("terminal up", 2 * BOOT_TIMEOUT_MS);
		await drawn(join(PICTURES, "gpu-first-frame.png"));
		started.kill("SIGINT");
		const { code, stderr } = await started.outcome;
		expect(stderr).toMatch(/renderer: virgl /);
		const warnings = stderr.split("\n").filter((line) => line.includes("warning:") && line.includes("virgl"));
		expect([code, warnings]).toEqual([
			0,
			[
				expect.stringMatching(
					/virgl does not work in the guest \(nothing was drawn within \d+ s\); it draws in software/,
				),
			],
		]);
		expect((await plan(["--rootfs", frozenGuest], x.env)).gpu).toBe("software");
	},
	2 * BOOT_TIMEOUT_MS + 30_000,
);

test(
	"virgl that was asked for and draws nothing: the reason is the error",
	async () => {
		const { code, stderr } = await sandbox.run(["--gpu", "virgl", "--rootfs", frozenGuest], { env: x.env });
		expect([code, stderr]).toEqual([
			1,
			expect.stringContaining("The terminal shows nothing on the GPU that was asked for"),
		]);
		expect(stderr).toMatch(/why: nothing was drawn within \d+ s/);
		expect([sandbox.processes(), sandbox.instances()]).toEqual([[], []]);
	},
	2 * BOOT_TIMEOUT_MS + 30_000,
);

/** Two lines of hint and a prompt are about 0.004 of the screen. */
const LETTERS_SHARE = 0.001;

/** The prompt is announced a moment before its pixels are there. */
async function drawn(picture: string): Promise<void> {
	const end = Date.now() + 60_000;
	let share = 0;
	do {
		await x.screenshot(picture);
		// Neither the screen around the window nor the terminal's empty ground: letters.
		share = await XServer.drawnShare(picture, 2);
	} while (share < LETTERS_SHARE && Date.now() < end);
	expect(share).toBeGreaterThan(LETTERS_SHARE);
}
