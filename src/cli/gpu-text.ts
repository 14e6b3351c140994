/** How cards, obstacles and plans are written for people. Nothing that a device or a process is called reaches the terminal as it is. */
import type { Obstacle } from "../vfio/obstacle.ts";
import type { PassthroughPlan, Step } from "../vfio/plan.ts";
import type { CardReport, Fate, NamedFunction } from "../vfio/report.ts";
import { className, listed, shown } from "../vfio/text.ts";

const FATE_WORDS: Readonly<Record<Fate, string>> = {
	passed: "goes to the guest",
	leaves: "leaves the host",
	stays: "stays",
};

/** `NVIDIA Corporation AD102 [GeForce RTX 4090]`; the numbers where there is no name. */
export function functionName({ vendor, device }: NamedFunction): string {
	const first = vendor.name === null ? `vendor ${vendor.id}` : shown(vendor.name);
	return `${first} ${device.name === null ? `device ${device.id}` : shown(device.name)}`;
}

export function describeCards(cards: readonly CardReport[]): string {
	if (cards.length === 0) return "there is no graphics card on this system's PCI buses\n";
	return cards.map(describeCard).join("\n");
}

function describeCard(card: CardReport): string {
	const { group } = card;
	const rows: (readonly [string, string])[] = [
		["verdict", card.verdict],
		["kind", `${className(card.class)} ${card.vendor.id}:${card.device.id}${virtualOf(card)}`],
		["driver", driverOf(card)],
		["boot display", card.bootVga ? "yes" : "no"],
		["connectors", card.connectors.length === 0 ? "none" : listed(card.connectors.map(connector), 16)],
		["in use by", holdersOf(card)],
		["reset by", card.resetMethods.length === 0 ? "nothing" : listed(card.resetMethods.map(shown))],
		["group", group === null ? "none" : `${group.id} (${group.node}${group.mayOpen ? ", yours" : ""})`],
	];
	const lines = [
		`${card.address}  ${functionName(card)}`,
		...rows.map(([key, value]) => `  ${key.padEnd(13)}${value}`),
	];
	const members = (group?.members ?? []).map((member) => [
		member.address,
		FATE_WORDS[member.fate],
		member.driver === null ? "-" : shown(member.driver),
		`${className(member.class)}, ${functionName(member)}`,
	]);
	lines.push(...columns(members).map((line) => `    ${line}`));
	if (card.obstacles.length > 0) lines.push(`  ${WHY_NOT}`, ...describeObstacles(card.obstacles));
	return `${lines.join("\n")}\n`;
}

const WHY_NOT = "why not:";

/** Hard ones are marked `x`, those that --force overrides `!`. */
export function describeObstacles(obstacles: readonly Obstacle[]): string[] {
	return obstacles.flatMap(({ text, fix, forceable }) => [`    ${forceable ? "!" : "x"} ${text}`, `      try: ${fix}`]);
}

/** `needsRoot`: the steps go through the root helper. `possible`: nothing keeps them from being done. */
export function describePlan(plan: PassthroughPlan, needsRoot: boolean, possible: boolean): string[] {
	const { functions, passed, steps, losses, node } = plan;
	const lines = [`  to the guest  ${listed(passed, 8)}`];
	if (plan.prebound) {
		lines.push(
			`  steps         none: all is bound to vfio-pci, and ${node} is yours; nothing is given back afterwards`,
		);
		return lines;
	}
	const root = needsRoot ? "for which root is needed (pkexec or sudo asks)" : "for which you are root";
	lines.push(
		`  steps, ${root}${possible ? "" : ", if nothing stood in the way"}:`,
		...numbered(steps.map(describeStep)),
	);
	const returning = [...functions].reverse().map(({ bdf, driver }) => `${bdf} to ${backTo(driver)}`);
	lines.push("  afterwards, whatever happens:", ...returning.map((line) => `    ${line}`));
	lines.push(
		"  meanwhile the host does without:",
		...(losses.length === 0 ? ["nothing"] : losses).map((line) => `    ${line}`),
	);
	return lines;
}

function backTo(driver: string | null): string {
	return driver === null ? "no driver, as now" : shown(driver);
}

function describeStep(step: Step): string {
	switch (step.op) {
		case "load-module":
			return `load the kernel module ${step.module}`;
		case "journal":
			return "write down, safely on the disk, which driver has what";
		case "override":
			return `${step.bdf}: reserve for ${step.value} (driver_override)`;
		case "unbind":
			return `${step.bdf}: take from ${shown(step.driver)} (unbind)`;
		case "probe":
			return `${step.bdf}: hand to vfio-pci (drivers_probe)`;
		case "give-node":
			return `give ${step.path} to user ${step.uid}`;
	}
}

function numbered(lines: readonly string[]): string[] {
	return lines.map((line, i) => `    ${String(i + 1).padStart(2)}. ${line}`);
}

function virtualOf({ physicalFunction }: CardReport): string {
	return physicalFunction === null ? "" : `, a virtual function of ${physicalFunction}`;
}

function driverOf({ driver, driverOverride }: CardReport): string {
	const name = driver === null ? "none" : shown(driver);
	return driverOverride === null ? name : `${name} (driver_override ${shown(driverOverride)})`;
}

function connector({ name, status, enabled }: CardReport["connectors"][number]): string {
	if (status !== "connected") return `${shown(name)} ${shown(status)}`;
	return `${shown(name)} ${enabled ? "shows a picture" : "connected, off"}`;
}

function holdersOf({ holders, holdersComplete }: CardReport): string {
	const byProcess = new Map<string, string[]>();
	for (const { pid, name, node } of holders) {
		const key = `${shown(name)} (process ${pid})`;
		byProcess.set(key, [...(byProcess.get(key) ?? []), node]);
	}
	const found = [...byProcess].map(([process, nodes]) => `${process} ${nodes.join(" ")}`);
	const unseen = holdersComplete ? "" : "; other users' processes are not to be seen";
	return `${found.length === 0 ? "nobody" : listed(found, 8)}${unseen}`;
}

function columns(rows: readonly (readonly string[])[]): string[] {
	const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((cells) => cells[column]?.length ?? 0)));
	return rows.map((cells) =>
		cells
			.map((cell, i) => cell.padEnd(widths[i] ?? 0))
			.join("  ")
			.trimEnd(),
	);
}

/** JSON in ASCII: nothing in it can be a control sequence, and nothing is lost. */
export function asciiJson(value: unknown): string {
	const text = JSON.stringify(value, null, 2);
	return `${text.replace(/[^\n -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)}\n`;
}
