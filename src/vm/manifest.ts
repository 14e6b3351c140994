/** What an asset build says about its products; made by `vm-assets/build`, embedded, printed by `version --assets`. */
import { z } from "zod";

const packageVersion = z.object({
	name: z.string(),
	version: z.string(),
	/** As its distribution names them; empty where it does not say. */
	licenses: z.array(z.string()).optional(),
});

const asset = z.object({
	/** Key of the embedded file; `file` is its name in `dist/assets/<arch>/`. */
	name: z.enum(["kernel", "initramfs", "root", "guest", "qemu", "pciids"]),
	file: z.string(),
	/** Size in bytes and SHA-256 of the file as embedded. */
	bytes: z.number().int().positive(),
	sha256: z.string().regex(/^[0-9a-f]{64}$/),
	/** SHA-256 of some blocks of an image that is used in place (part-table.ts). */
	sampleSha256: z
		.string()
		.regex(/^[0-9a-f]{64}$/)
		.optional(),
});

export const manifestSchema = z.object({
	schema: z.literal(1),
	/** Guest architecture in Bun's words. */
	arch: z.enum(["x64", "arm64"]),
	builder: z.object({ virtualghost: z.string(), bun: z.string(), commit: z.string().nullable(), fast: z.boolean() }),
	distribution: z.object({ name: z.string(), version: z.string() }),
	/** `modules`: SHA-256 of the guest layer's `modules.dep`, which tells the sets of modules of two builds apart. */
	kernel: z.object({ version: z.string(), modules: z.string().regex(/^[0-9a-f]{64}$/) }),
	terminal: z.object({ name: z.string(), version: z.string(), standIn: z.boolean() }),
	/** Null where this platform has no QEMU bundle. */
	qemu: z
		.object({
			version: z.string(),
			/** Versions of the bundled C library and C++ library; the newer of bundle and host is used at run time. */
			glibc: z.string(),
			libstdcxx: z.string(),
		})
		.nullable(),
	assets: z.array(asset),
	/** Debian, Arch or npm packages by what they went into. */
	packages: z.object({
		root: z.array(packageVersion),
		kernel: z.array(packageVersion),
		qemu: z.array(packageVersion),
		pciids: z.array(packageVersion).optional(),
		/** Bundled into launcher and agent. */
		npm: z.array(packageVersion).optional(),
		/** Debian packages that single files of initramfs and agent come from. */
		parts: z.array(packageVersion).optional(),
	}),
});

export type Manifest = z.infer<typeof manifestSchema>;
export type AssetName = z.infer<typeof asset>["name"];
