import { expect, test } from "bun:test";
import { footKeys } from "../../../src/ghostty/foot-keys.ts";

test("without bindings foot keeps its own", () => {
	expect(footKeys([])).toEqual({ lines: [], notShown: 0 });
});

test("a key is added, and the action keeps its own", () => {
	expect(footKeys(["super+c=copy_to_clipboard", "cmd+equal=increase_font_size:2"]).lines).toEqual([
		"clipboard-copy=Mod4+c Control+Shift+c XF86Copy",
		"font-increase=Mod4+equal Control+plus Control+equal Control+KP_Add",
	]);
});

test("a key that was another action's is taken from it; the last binding of a key counts", () => {
	expect(footKeys(["ctrl+shift+c=reset_font_size", "shift+ctrl+c=start_search"]).lines).toEqual([
		"clipboard-copy=XF86Copy",
		"search-start=Control+Shift+c Control+Shift+r",
	]);
	expect(footKeys(["shift+insert=unbind"]).lines).toEqual(["primary-paste=none", "noop=Shift+Insert"]);
});

test("clear leaves nothing but what comes after it", () => {
	const { lines } = footKeys(["super+c=copy_to_clipboard", "clear", "ctrl+v=paste_from_clipboard"]);
	expect(lines).toContain("clipboard-paste=Control+v");
	expect(lines).toContain("clipboard-copy=none");
	expect(lines.join()).not.toContain("Mod4");
});

test("what foot has no word for is counted: sequences, splits and tabs, keys without a name", () => {
	const bindings = [
		"ctrl+a>c=copy_to_clipboard",
		"ctrl+t=new_tab",
		"ctrl+ö=copy_to_clipboard",
		"ctrl+x=jump_to_prompt:3",
	];
	expect(footKeys(bindings)).toEqual({ lines: [], notShown: 4 });
});

test("spellings of keys", () => {
	const chords = ["ctrl++", "ctrl+=", "alt+KeyQ", "physical:f12", "opt+digit_1", "page_up"];
	expect(footKeys(chords.map((chord) => `${chord}=toggle_fullscreen`)).lines).toEqual([
		"font-increase=Control+KP_Add",
		"fullscreen=Control+plus Control+equal Mod1+q F12 Mod1+1 Page_Up",
	]);
});
