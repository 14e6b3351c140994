/** What stands between a card and a guest. */

export interface Obstacle {
	/** Stable word for tests and scripts: `boot-display`. */
	readonly kind: string;
	/** What is in the way; fit to be shown. */
	readonly text: string;
	/** What the user can do about it. */
	readonly fix: string;
	/** `--force` goes on in spite of it. */
	readonly forceable: boolean;
}

/** Who wants the card. */
export interface Asker {
	readonly uid: number;
	/** Limit of locked memory in bytes; null: none, or not to be checked. */
	readonly memlockBytes: number | null;
	/** Memory of the guest in bytes; null: not known yet. */
	readonly guestMemoryBytes: number | null;
}

export function hard(kind: string, text: string, fix: string): Obstacle {
	return { kind, text, fix, forceable: false };
}

export function forceable(kind: string, text: string, fix: string): Obstacle {
	return { kind, text, fix, forceable: true };
}
