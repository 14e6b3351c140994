/** The rows of the start bench and what is promised of them. */
import type { Promised } from "./report.ts";

/** In the order of the table; what each moment is stands at the head of `../start.ts`. */
export const ROWS = {
	floor: "floor: kernel and a busybox that powers off",
	"stock-drawn": "stock Debian: prompt drawn",
	"stock-live": "stock Debian: live prompt",
	"cold-agent": "cold window: agent answers",
	"cold-drawn": "cold window: prompt drawn",
	"cold-live": "cold window: live prompt",
	"first-agent": "first run ever: agent answers",
	"first-drawn": "first run ever: prompt drawn",
	"first-live": "first run ever: live prompt",
	"warm-agent": "warm window, software: agent answers",
	"warm-drawn": "warm window, software: prompt drawn",
	"warm-live": "warm window, software: live prompt",
	"virgl-agent": "warm window, virgl: agent answers",
	"virgl-drawn": "warm window, virgl: prompt drawn",
	"virgl-live": "warm window, virgl: live prompt",
	"cold-true": "`run --cold -- true`, end to end",
	"warm-true": "`run -- true` from a snapshot, end to end",
	vmspawn: "systemd-vmspawn: a command's output",
	vng: "virtme-ng: a command's output",
} as const;

export type Row = keyof typeof ROWS;

/** In MiB. */
export const MEMORY_ROWS = {
	"launcher-cold": "launcher, resident, cold window",
	"launcher-first": "launcher, resident, first run ever (it has extracted everything)",
	"launcher-warm": "launcher, resident, warm window",
	"launcher-idle": "launcher, resident, `run --detach`",
	"launcher-own": "launcher, its own pages only, `run --detach`",
	"qemu-idle": "QEMU, resident, idle",
	"qemu-held": "QEMU, resident, the guest holds 1 GiB more",
	"qemu-freed": "QEMU, resident, after the guest has freed it",
	"qemu-kept": "of the 1 GiB, still resident after that",
	"warm-qemu-idle": "QEMU from a snapshot, resident, idle",
	"warm-qemu-freed": "QEMU from a snapshot, resident, after 1 GiB was used and freed",
} as const;

export type MemoryRow = keyof typeof MEMORY_ROWS;

const ratio = (what: string, row: Row, over: Row, max: number): Promised => ({ what, row, over, max });
const memory = (what: string, row: MemoryRow, max: number): Promised => ({ what, row, over: null, max });

export const PROMISES: readonly Promised[] = [
	ratio("agent answers, cold / floor", "cold-agent", "floor", 2.5),
	ratio("prompt drawn, cold / floor", "cold-drawn", "floor", 4),
	ratio("prompt drawn, cold / stock", "cold-drawn", "stock-drawn", 0.55),
	ratio("live prompt, warm software / stock", "warm-live", "stock-live", 0.05),
	ratio("live prompt, warm virgl / stock", "virgl-live", "stock-live", 0.25),
	ratio("prompt drawn, first run ever / later cold one", "first-drawn", "cold-drawn", 1.15),
	ratio("warm `run -- true` / stock's prompt", "warm-true", "stock-drawn", 0.1),
];

/** Ahead of each: not slower than it, cold, to the end of a command. */
export const PEER_PROMISES: readonly Promised[] = [
	ratio("`run --cold -- true` / systemd-vmspawn", "cold-true", "vmspawn", 1),
	ratio("`run --cold -- true` / virtme-ng", "cold-true", "vng", 1),
];

/** A guest keeps some of it for itself: its own page tables, and free pages below the size that is reported. */
const KEPT_MIB_MAX = 256;

export const MEMORY_PROMISES: readonly Promised[] = [
	memory("launcher of a cold window, MiB", "launcher-cold", 80),
	memory("launcher of a first run, MiB", "launcher-first", 80),
	memory("launcher of a warm window, MiB", "launcher-warm", 80),
	memory("launcher in the background, MiB", "launcher-idle", 80),
	memory("of 1 GiB that the guest freed, kept by QEMU, MiB", "qemu-kept", KEPT_MIB_MAX),
];
