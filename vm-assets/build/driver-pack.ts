/**
 * The driver pack: one EROFS image with the kernel modules of real graphics cards, their firmware and its licences, which
 * `run --driver-pack` stacks over the VirtualGhost layer. Not part of the binary. docs/gpu-drivers.md
 */
import {
	closeSync,
	copyFileSync,
	cpSync,
	existsSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	readSync,
	renameSync,
	statSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { EXIT, Fault } from "../../src/errors.ts";
import { encodeHeader, HEADER_BYTES, type PackHeader } from "../../src/vm/driver-pack.ts";
import { type Step, step, type Work } from "./cache.ts";
import { type Context, requireLinux, SOURCE_EPOCH } from "./context.ts";
import { firmwareFolder, firmwareStep, VENDOR_NAMES, VENDORS, type Vendor } from "./firmware.ts";
import { hashFile } from "./hash.ts";
import { findModules, KERNEL, kernelStep, kernelTreeStep, unpackModules } from "./kernel.ts";
import { describeKernel } from "./manifest.ts";
import type { Package } from "./packages.ts";
import { say } from "./progress.ts";
import { toolsStep, toolsTree } from "./tools.ts";
import { inTree, removeTree } from "./tree.ts";

const IMAGE = "driver-pack.erofs";

/** What shapes a pack, in this folder. */
const CODE = ["driver-pack.ts", "firmware.ts", "manifest.ts"];

/** Where the pack says inside the guest what it is made of. */
const MANIFEST_PATH = "usr/share/virtualghost/driver-pack.json";

/** Measured over all vendors in docs/gpu-drivers.md: higher levels take minutes for 3 %. */
const COMPRESSION = ["-zzstd,level=3", "-C65536"];

export interface PackChoice {
	readonly vendors: readonly Vendor[];
	readonly firmware: boolean;
}

/** What a pack says about itself, inside the guest. */
export interface PackManifest {
	readonly schema: 1;
	readonly kernel: string;
	readonly vendors: readonly Vendor[];
	/** Paths under /usr/lib/modules/<kernel>. */
	readonly modules: readonly string[];
	/** Kernel and firmware packages. */
	readonly packages: readonly Package[];
	/** What was wished for and is not inside, with the cause. */
	readonly warnings: readonly string[];
}

/** @throws Fault for an unknown vendor. */
export function parseVendors(text: string | undefined): readonly Vendor[] {
	if (text === undefined) return VENDOR_NAMES;
	const names = text.split(",").map((name) => name.trim());
	const unknown = names.find((name) => !(VENDOR_NAMES as string[]).includes(name));
	if (unknown !== undefined) {
		throw new Fault(`--vendors: no drivers for "${unknown}"`, {
			fix: `one or more of ${VENDOR_NAMES.join(",")}`,
			exitCode: EXIT.usage,
		});
	}
	return VENDOR_NAMES.filter((name) => names.includes(name));
}

/** `driver-pack-6.12.117+deb13-amd64.erofs`; what is left out of a full pack stands in the name. */
export function packName(kernel: string, { vendors, firmware }: PackChoice): string {
	const some = vendors.length === VENDOR_NAMES.length ? "" : `-${vendors.join("-")}`;
	return `driver-pack-${kernel}${some}${firmware ? "" : "-no-firmware"}.erofs`;
}

/** Makes the pack and puts it into `dist/`; gives its path. */
export async function buildDriverPack(context: Context, choice: PackChoice): Promise<string> {
	requireLinux(context.arch);
	const tools = await toolsStep(context);
	const parts: PackParts = {
		tools,
		tree: await kernelTreeStep(context),
		kernel: await kernelStep(context, tools),
		...(await collectFirmware(context, choice)),
	};
	const pack = await step(context, {
		name: "driver-pack",
		title: "driver pack",
		recipe: [...CODE.map((name) => `vm-assets/build/${name}`), "src/vm/driver-pack.ts"],
		parameters: { choice, warnings: parts.warnings },
		uses: [parts.tools, parts.tree, parts.kernel, ...parts.firmware.values()],
		make: (work) => makePack(choice, parts, work),
	});
	const version = readFileSync(join(parts.kernel.dir, KERNEL.version), "utf8");
	const target = join(context.repo, "dist", packName(version, choice));
	mkdirSync(dirname(target), { recursive: true });
	copyFileSync(join(pack.dir, IMAGE), `${target}.new`);
	renameSync(`${target}.new`, target); // A machine may be running on the old one.
	say(`  ${target}: ${(statSync(target).size / 1e6).toFixed(0)} MB`);
	for (const warning of parts.warnings) say(`  warning: ${warning}`);
	return target;
}

interface PackParts {
	readonly tools: Step;
	readonly tree: Step;
	readonly kernel: Step;
	readonly firmware: ReadonlyMap<Vendor, Step>;
	readonly warnings: readonly string[];
}

/** A mirror need not have the component with firmware; then the pack has the drivers alone, and says so. */
async function collectFirmware(
	context: Context,
	choice: PackChoice,
): Promise<Pick<PackParts, "firmware" | "warnings">> {
	const firmware = new Map<Vendor, Step>();
	const warnings: string[] = [];
	for (const vendor of choice.firmware ? choice.vendors : []) {
		try {
			firmware.set(vendor, await firmwareStep(context, vendor));
		} catch (error) {
			if (!(error instanceof Fault)) throw error;
			const { package: name } = VENDORS[vendor];
			warnings.push(`no firmware for ${vendor}: ${name} of Debian's non-free-firmware could not be had`);
			if (error.details.tail !== undefined) say(error.details.tail.trimEnd().replaceAll(/^/gm, "  | "));
		}
	}
	return { firmware, warnings };
}

async function makePack(choice: PackChoice, parts: PackParts, work: Work): Promise<void> {
	const layer = join(work.dir, "layer");
	const kernel = await describeKernel(parts.kernel);
	work.detail("modules");
	const { modules, missing } = await addModules(choice, parts, layer, work);
	work.detail("firmware");
	const packages = [
		...addLicence(parts.tree, `linux-image-${kernel.version}`, layer),
		...[...parts.firmware].flatMap(([vendor, firmware]) => addFirmware(vendor, firmware, layer)),
	];
	const manifest: PackManifest = {
		schema: 1,
		kernel: kernel.version,
		vendors: choice.vendors,
		modules,
		packages,
		warnings: [...parts.warnings, ...missing.map((name) => `Linux ${kernel.version} has no module ${name}`)],
	};
	mkdirSync(dirname(join(layer, MANIFEST_PATH)), { recursive: true });
	writeFileSync(join(layer, MANIFEST_PATH), `${JSON.stringify(manifest, null, "\t")}\n`);
	work.detail("image");
	await packLayer(parts.tools, work);
	const image = join(work.dir, IMAGE);
	writeHeader(image, {
		kernel: kernel.version,
		image: await hashFile(join(parts.kernel.dir, KERNEL.image)),
		modules: kernel.modules,
		vendors: [...choice.vendors],
		bytes: statSync(image).size,
	});
	await removeTree(layer);
}

/** Puts the modules in that the VirtualGhost layer is without, and an index of both: in the guest this index hides the layer's. */
async function addModules(choice: PackChoice, parts: PackParts, layer: string, { dir, log }: Work) {
	const { tools, tree, kernel } = parts;
	const version = readFileSync(join(kernel.dir, KERNEL.version), "utf8");
	const wanted = choice.vendors.flatMap((vendor) => VENDORS[vendor].modules);
	const { paths, missing } = await findModules(wanted, { kernelTree: tree, tools, dir, log });
	const inLayer = join(kernel.dir, KERNEL.modules, "lib/modules", version);
	const own = paths.filter((path) => !existsSync(join(inLayer, unpacked(path))));
	// All of both in one folder for depmod.
	const root = join(dir, "modules");
	const all = join(root, "lib/modules", version);
	cpSync(inLayer, all, { recursive: true });
	for (const path of own) copyInto(join(tree.dir, "tree/usr/lib/modules", version, path), join(all, path));
	await unpackModules(root, version, tools, log);
	const target = join(layer, "usr/lib/modules", version);
	for (const path of own) copyInto(join(all, unpacked(path)), join(target, unpacked(path)));
	for (const name of readdirSync(all).filter((each) => each.startsWith("modules.")))
		copyInto(join(all, name), join(target, name));
	await removeTree(root);
	return { modules: own.map(unpacked).sort(), missing };
}

function unpacked(module: string): string {
	return module.replace(/\.xz$/, "");
}

function copyInto(source: string, target: string): void {
	mkdirSync(dirname(target), { recursive: true });
	copyFileSync(source, target);
}

function addFirmware(vendor: Vendor, firmware: Step, layer: string): Package[] {
	for (const folder of VENDORS[vendor].folders) {
		const target = join(layer, "usr/lib/firmware", folder);
		cpSync(join(firmwareFolder(firmware), folder), target, { recursive: true, verbatimSymlinks: true });
	}
	return addLicence(firmware, VENDORS[vendor].package, layer);
}

/** The package's copyright file; gives the package with its version. */
function addLicence(tree: Step, name: string, layer: string): Package[] {
	const licence = join("usr/share/doc", name, "copyright");
	copyInto(join(tree.dir, "tree", licence), join(layer, licence));
	const packages = JSON.parse(readFileSync(join(tree.dir, "packages.json"), "utf8")) as Package[];
	return packages.filter((each) => each.name === name);
}

/** Compressed inside, unlike the embedded images: the pack is used where it lies. */
async function packLayer(tools: Step, { dir, log }: Work): Promise<void> {
	const mkfs = [
		...["mkfs.erofs", "--quiet", "--all-root", `-T${SOURCE_EPOCH}`, "-Lvg-drivers", ...COMPRESSION],
		...["-U76697274-7561-6c67-686f-737400000003", `/mnt/out/${IMAGE}`, "/mnt/out/layer"],
	];
	const argv = ["sh", "-euc", 'chmod -R u=rwX,go=rX /mnt/out/layer && exec "$@"', "mkfs", ...mkfs];
	await inTree({ tree: toolsTree(tools), argv, mounts: [{ from: dir, as: "out" }] }, { log });
}

/** @throws Error if mkfs.erofs has begun to use the bytes that EROFS leaves to others. */
function writeHeader(image: string, header: PackHeader): void {
	const fd = openSync(image, "r+");
	try {
		const before = Buffer.alloc(HEADER_BYTES);
		readSync(fd, before, 0, HEADER_BYTES, 0);
		if (before.some((byte) => byte !== 0)) throw new Error(`${image} uses its first ${HEADER_BYTES} bytes`);
		writeSync(fd, encodeHeader(header), 0, HEADER_BYTES, 0);
	} finally {
		closeSync(fd);
	}
}
