/** A file tree in memory that answers as the kernel's would: links are resolved at every step of a path. */
import { posix } from "node:path";
import type { Files } from "../../../src/vfio/files.ts";

type Node = { kind: "file"; text: string } | { kind: "link"; target: string } | { kind: "folder"; names: Set<string> };

const LINKS_MAX = 40;

export class MemoryFiles implements Files {
	readonly #nodes = new Map<string, Node>([["/", { kind: "folder", names: new Set() }]]);
	readonly #openable = new Set<string>();

	file(path: string, text: string): this {
		this.#put(path, { kind: "file", text });
		return this;
	}

	symlink(path: string, target: string): this {
		this.#put(path, { kind: "link", target });
		return this;
	}

	folder(path: string): this {
		if (this.#node(path)?.kind !== "folder") this.#put(path, { kind: "folder", names: new Set() });
		return this;
	}

	/** A node that this user may open. */
	openable(path: string): this {
		this.#openable.add(path);
		return this.file(path, "");
	}

	/** All there is, in the order of its making. */
	paths(): readonly string[] {
		return [...this.#nodes.keys()];
	}

	remove(path: string): this {
		for (const each of [...this.#nodes.keys()]) {
			if (each === path || each.startsWith(`${path}/`)) this.#nodes.delete(each);
		}
		const parent = this.#nodes.get(posix.dirname(path));
		if (parent?.kind === "folder") parent.names.delete(posix.basename(path));
		return this;
	}

	read(path: string): string | null {
		const node = this.#node(path);
		return node?.kind === "file" ? node.text : null;
	}

	list(path: string): readonly string[] | null {
		const node = this.#node(path);
		return node?.kind === "folder" ? [...node.names] : null;
	}

	link(path: string): string | null {
		const parent = this.real(posix.dirname(path));
		const node = parent === null ? undefined : this.#nodes.get(posix.join(parent, posix.basename(path)));
		return node?.kind === "link" ? node.target : null;
	}

	real(path: string): string | null {
		let [at, rest, links] = ["/", path.split("/"), 0];
		while (rest.length > 0) {
			const [name = "", ...others] = rest;
			rest = others;
			if (name === "" || name === ".") continue;
			const next = posix.join(at, name);
			const node = this.#nodes.get(next);
			if (node === undefined || (this.#nodes.get(at)?.kind !== "folder" && name !== "..")) return null;
			if (node.kind !== "link") at = next;
			else if (++links > LINKS_MAX) return null;
			else {
				rest = [...node.target.split("/"), ...rest];
				if (node.target.startsWith("/")) at = "/";
			}
		}
		return at;
	}

	mayOpen(path: string): boolean {
		const real = this.real(path);
		return real !== null && this.#openable.has(real);
	}

	#node(path: string): Node | undefined {
		const real = this.real(path);
		return real === null ? undefined : this.#nodes.get(real);
	}

	/** Through the links on the way, as the kernel does; makes the folders that are not there. */
	#put(path: string, node: Node): void {
		if (this.real(posix.dirname(path)) === null) this.folder(posix.dirname(path));
		const parent = this.real(posix.dirname(path)) ?? "/";
		const folder = this.#nodes.get(parent);
		if (folder?.kind !== "folder") throw new Error(`${parent} is no folder`);
		folder.names.add(posix.basename(path));
		this.#nodes.set(posix.join(parent, posix.basename(path)), node);
	}
}
