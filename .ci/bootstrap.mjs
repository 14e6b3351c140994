#!/usr/bin/env node
// `npm start` and `npm test`: from a bare checkout to a running machine or a test result. Plain Node 20, no dependencies.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const REPO = dirname(dirname(fileURLToPath(import.meta.url)));

/** Debian packages by what they are for, with one file each that shows it is installed. */
const BUILD_PACKAGES = {
	mmdebstrap: "/usr/bin/mmdebstrap",
	// Ordinary users build in user namespaces with subordinate ids.
	...(process.getuid?.() === 0 ? {} : { uidmap: "/usr/bin/newuidmap" }),
};
const TEST_PACKAGES = {
	xvfb: "/usr/bin/Xvfb",
	xdotool: "/usr/bin/xdotool",
	// A window manager and its remote control, to close a window as a person does.
	openbox: "/usr/bin/openbox",
	wmctrl: "/usr/bin/wmctrl",
	// The desktop's keyboard layout, and its scale.
	"x11-xkb-utils": "/usr/bin/setxkbmap",
	"x11-xserver-utils": "/usr/bin/xrdb",
	// A Wayland session without a screen.
	weston: "/usr/bin/weston",
	imagemagick: "/usr/bin/convert",
	"openssh-client": "/usr/bin/ssh",
	rsync: "/usr/bin/rsync",
	git: "/usr/bin/git",
	// A namespace that plays the internet.
	iproute2: "/usr/sbin/ip",
	// What the guest has, for the unit tests of `cp`.
	"openssh-sftp-server": "/usr/lib/openssh/sftp-server",
	// qemu-img judges the disks that we make.
	"qemu-utils": "/usr/bin/qemu-img",
	// xmessage, for the error dialog.
	"x11-utils": "/usr/bin/xmessage",
	// Builds the Containerfile, without a daemon.
	buildah: "/usr/bin/buildah",
	"golang-github-containers-image": "/etc/containers/policy.json",
	// Fonts of the host's, for those that are handed over and those that are not.
	fontconfig: "/usr/bin/fc-list",
	"fonts-dejavu-core": "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf",
	// The host's side of OpenGL: never part of the QEMU bundle.
	"libgl1-mesa-dri": "/usr/lib/x86_64-linux-gnu/dri/swrast_dri.so",
	libegl1: "/usr/lib/x86_64-linux-gnu/libEGL.so.1",
	libgles2: "/usr/lib/x86_64-linux-gnu/libGLESv2.so.2",
	libgbm1: "/usr/lib/x86_64-linux-gnu/libgbm.so.1",
	libgl1: "/usr/lib/x86_64-linux-gnu/libGL.so.1",
};

class Failed extends Error {}

function say(text) {
	process.stderr.write(`${text}\n`);
}

/** Runs a program on this terminal; a failure ends the script with its status. */
function run(argv, options = {}) {
	const { status, signal, error } = spawnSync(argv[0], argv.slice(1), { stdio: "inherit", cwd: REPO, ...options });
	if (error) throw new Failed(`cannot start ${argv[0]}: ${error.message}`);
	if (status !== 0)
		throw Object.assign(new Failed(`${argv.join(" ")} failed (${signal ?? status})`), { status: status ?? 1 });
}

function seconds(since) {
	return `${((performance.now() - since) / 1000).toFixed(0)} s`;
}

/** Gets Bun of the pinned version into the cache, once, and returns its path. */
function ensureBun() {
	const { devDependencies } = JSON.parse(readFileSync(join(REPO, "package.json"), "utf8"));
	const version = devDependencies.bun;
	const cache =
		process.env.VIRTUALGHOST_BUILD_CACHE ||
		join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "virtualghost-build");
	const folder = join(cache, `bun-${version}`);
	const bun = join(folder, "node_modules", ".bin", process.platform === "win32" ? "bun.cmd" : "bun");
	if (existsSync(bun)) return bun;
	say(`getting Bun ${version} from npm into ${folder}`);
	const temporary = `${folder}.tmp-${process.pid}`;
	mkdirSync(temporary, { recursive: true });
	try {
		const npm = process.platform === "win32" ? "npm.cmd" : "npm";
		run(
			[
				npm,
				"install",
				"--prefix",
				temporary,
				"--no-save",
				"--no-audit",
				"--no-fund",
				"--loglevel=error",
				`bun@${version}`,
			],
			{
				shell: process.platform === "win32",
			},
		);
		rmSync(folder, { recursive: true, force: true });
		renameSync(temporary, folder);
	} finally {
		rmSync(temporary, { recursive: true, force: true });
	}
	return bun;
}

/** Installs the Debian packages that are missing, or says what is needed where there is no apt. */
function ensurePackages(wanted) {
	if (process.platform !== "linux") return;
	const missing = Object.entries(wanted)
		.filter(([name, file]) => !existsSync(file) && !isInstalled(name))
		.map(([name]) => name);
	if (missing.length === 0) return;
	if (!existsSync("/usr/bin/apt-get")) {
		say(`These programs are missing, and this system has no apt to install them with: ${missing.join(", ")}`);
		return;
	}
	const root = process.getuid() === 0 ? [] : ["sudo"];
	const install = [...root, "apt-get", "install", "--yes", "--no-install-recommends", ...missing];
	say(`missing Debian packages; running: ${[...root, "apt-get", "update"].join(" ")} && ${install.join(" ")}`);
	const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
	run([...root, "apt-get", "update", "--quiet"], { env });
	run(install, { env });
}

function isInstalled(name) {
	const { status, stdout } = spawnSync("dpkg-query", ["-W", "-f", `$\{db:Status-Status}\n`, name], {
		encoding: "utf8",
	});
	return status === 0 && stdout.split("\n").includes("installed");
}

function prepare(packages, options = []) {
	ensurePackages(packages);
	const bun = ensureBun();
	run([bun, "install", "--frozen-lockfile"]);
	run([bun, "build.ts", ...options]);
	return bun;
}

/** For containers, which have nothing else to build with. */
function build(extra) {
	prepare(BUILD_PACKAGES, extra);
}

function start(extra) {
	say(
		"VirtualGhost: gets Bun and what the build needs, builds dist/virtualghost (some minutes the first time), runs it.",
	);
	const began = performance.now();
	prepare(BUILD_PACKAGES);
	say(`built in ${seconds(began)}`);
	const display = process.platform !== "linux" || process.env.DISPLAY || process.env.WAYLAND_DISPLAY;
	const headless = ["run", "--headless-test", "--screenshot", "dist/screenshot.png"];
	if (!display) say("no display here: a run without a window, with a picture of it in dist/screenshot.png");
	const began2 = performance.now();
	run([
		join(REPO, "dist", process.platform === "win32" ? "virtualghost.exe" : "virtualghost"),
		...(display ? [] : headless),
		...extra,
	]);
	say(`ran for ${seconds(began2)}`);
}

function test(extra) {
	say("VirtualGhost: gets Bun and what build and tests need, builds dist/virtualghost, runs all tests.");
	const began = performance.now();
	const bun = prepare({ ...BUILD_PACKAGES, ...TEST_PACKAGES });
	say(`built in ${seconds(began)}`);
	// The last line is the runner's, also when tests fail: `N passed, N failed`.
	process.exitCode = spawnSync(bun, ["test/run.ts", ...extra], { stdio: "inherit", cwd: REPO }).status ?? 1;
}

const [verb, ...rest] = process.argv.slice(2);
const verbs = { start, test, build };
try {
	if (!Object.hasOwn(verbs, verb ?? "")) throw new Failed("usage: node .ci/bootstrap.mjs start|test|build [arguments]");
	verbs[verb](rest);
} catch (error) {
	if (!(error instanceof Failed)) throw error;
	say(error.message);
	process.exitCode = error.status ?? 1;
}
