import { expect, test } from "bun:test";
import { mmdebstrapArgv, parseIndexTargets, parseList } from "../../../vm-assets/build/debian.ts";
import { parseDebName, parseDpkgStatus } from "../../../vm-assets/build/packages.ts";
import { upstream } from "../../../vm-assets/build/qemu.ts";
import { foldersTo } from "../../../vm-assets/build/root.ts";

test("the mirror is the one that the machine's apt uses, whatever release the machine has", () => {
	const listing = [
		"Docker|bookworm|https://docker.invalid/linux/debian/",
		"Debian|bookworm-security|http://mirror.invalid/debian-security/",
		"Debian|bookworm-updates|http://mirror.invalid/debian/",
		"Debian|bookworm|http://mirror.invalid/debian/",
	].join("\n");
	expect(parseIndexTargets(listing)).toEqual({
		main: "http://mirror.invalid/debian",
		security: "http://mirror.invalid/debian-security",
	});
});

test("without a Debian archive there is no mirror", () => {
	expect(parseIndexTargets("Ubuntu|noble|http://mirror.invalid/ubuntu/\n")).toBeNull();
	expect(parseIndexTargets("")).toBeNull();
	expect(parseIndexTargets("Debian|trixie|cdrom://disc/\n")).toBeNull();
});

test("the security archive is guessed from the main one when apt does not list it", () => {
	expect(parseIndexTargets("Debian|trixie|http://mirror.invalid/debian/")?.security).toBe(
		"http://mirror.invalid/debian-security",
	);
});

test("extra suites are pinned below the release, and only asked for when wanted", () => {
	const mirror = { main: "http://mirror.invalid/debian", security: "http://mirror.invalid/debian-security" };
	const spec = { variant: "extract", packages: ["a", "b/forky"], arch: "amd64" } as const;
	const plain = mmdebstrapArgv(spec, mirror, "/target");
	expect(plain).toContain("--include=a,b/forky");
	expect(plain.filter((word) => word.startsWith("deb "))).toHaveLength(3);
	expect(plain.some((word) => word.includes("Pin-Priority"))).toBe(false);
	const extra = mmdebstrapArgv({ ...spec, extraSuites: ["backports", "forky"] }, mirror, "/target");
	expect(extra.filter((word) => word.startsWith("deb "))).toHaveLength(5);
	expect(extra.some((word) => word.includes("release n=forky") && word.includes("Pin-Priority: 50"))).toBe(true);
});

test("lists have comments and empty lines", () => {
	expect(parseList("# head\n\na\n  b # why\n")).toEqual(["a", "b"]);
});

test("package files are named after package and version", () => {
	expect(parseDebName("seabios_1.16.3-2_all.deb")).toEqual({ name: "seabios", version: "1.16.3-2" });
	expect(parseDebName("qemu_1%3a11.1.3+ds-1~bpo13+1_amd64.deb").version).toBe("1:11.1.3+ds-1~bpo13+1");
});

test("only installed packages of the dpkg database count", () => {
	const status = [
		"Package: zlib\nStatus: install ok installed\nVersion: 1:1.3",
		"Package: gone\nStatus: deinstall ok config-files\nVersion: 2",
		"Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2\nDescription: shell\n Version: no",
	].join("\n\n");
	expect(parseDpkgStatus(`${status}\n`)).toEqual([
		{ name: "bash", version: "5.2" },
		{ name: "zlib", version: "1:1.3" },
	]);
});

test("upstream versions lose epoch and packaging", () => {
	expect(upstream("1:11.1.3+ds-1~bpo13+1")).toBe("11.1.3");
	expect(upstream("2.41-12+deb13u3")).toBe("2.41");
	expect(upstream("14.2.0-19")).toBe("14.2.0");
});

test("what is made in the tree for local packages goes again, and no folder of the system's", () => {
	expect(foldersTo("/work/main/vm-assets/packages")).toEqual(["/work/main/vm-assets", "/work/main", "/work"]);
	expect(foldersTo("/tmp/x/packages")).toEqual(["/tmp/x"]);
	expect(foldersTo("/home/me/src/packages")).toEqual(["/home/me/src", "/home/me"]);
	expect(foldersTo("/var/tmp/packages")).toEqual([]);
});
