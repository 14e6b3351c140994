import { expect, test } from "bun:test";
import { parseSymbols } from "../../../vm-assets/build/stub-library.ts";

test("symbols with and without a version, asked for and defined", () => {
	const text = `
Symbol table '.dynsym' contains 5 entries:
   Num:    Value          Size Type    Bind   Vis      Ndx Name
     0: 0000000000000000     0 NOTYPE  LOCAL  DEFAULT  UND 
     1: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND pa_mainloop_new@PULSE_0 (5)
     2: 0000000000012340   123 FUNC    GLOBAL DEFAULT   14 cs_open
     3: 0000000000045680    16 OBJECT  GLOBAL DEFAULT   22 table@@ALSA_0.9
`;
	expect(parseSymbols(text)).toEqual([
		{ name: "pa_mainloop_new", version: "PULSE_0", defined: false, type: "FUNC", bytes: 0 },
		{ name: "cs_open", version: "", defined: true, type: "FUNC", bytes: 123 },
		{ name: "table", version: "ALSA_0.9", defined: true, type: "OBJECT", bytes: 16 },
	]);
});
