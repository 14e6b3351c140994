import { expect, test } from "bun:test";
import { candidates, SHELLS } from "../../../src/cli/completion.ts";
import { VERB_NAMES } from "../../../src/cli/parse.ts";

const RUNNING = ["brave-otter", "calm-heron"];
const complete = (...words: string[]) => candidates(words, RUNNING);

test("verbs first, by what is typed of them", async () => {
	expect(await complete("")).toEqual([...VERB_NAMES].sort());
	expect(await complete("s")).toEqual(["screenshot", "shell", "ssh-config", "ssh-proxy", "stop"]);
});

test("running machines where a name belongs, once", async () => {
	expect(await complete("exec", "")).toEqual(RUNNING);
	expect(await complete("stop", "ca")).toEqual(["calm-heron"]);
	expect(await complete("stop", "calm-heron", "")).toEqual([]);
	expect(await complete("cp", "b")).toEqual(["brave-otter:"]);
	expect(await complete("list", "")).toEqual([]);
	expect(await complete("completion", "")).toEqual([...SHELLS].sort());
	expect(await complete("gpu", "")).toEqual(["apply", "list", "plan", "restore"]);
	expect(await complete("gpu", "plan", "")).toEqual([]);
});

test("each verb's own flags, and the values of those that have a list", async () => {
	const flags = await complete("logs", "--");
	expect(flags).toContain("--follow");
	expect(flags).not.toContain("--gpu");
	expect(await complete("run", "--gpu", "")).toEqual(["auto", "none", "software", "virgl"]);
	expect(await complete("run", "--deta")).toEqual(["--detach"]);
	expect(await complete("--mem")).toEqual(["--memory"]);
});

test("what stands behind -- belongs to the guest", async () => {
	expect(await complete("exec", "--", "")).toEqual([]);
});
