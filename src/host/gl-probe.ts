/**
 * Asks the host's OpenGL what it can do, in a process of its own: drivers are loaded that may crash, hang or print, and none of them
 * shall do so in the launcher. Runs as the hidden verb `gl-probe`; `gl.ts` starts it.
 *
 * Sources: GLX 1.4, GLX_ARB_create_context, EGL 1.5, Khronos' registry for the numbers.
 */
import { CFunction, CString, dlopen, FFIType, JSCallback, type Pointer, ptr, toArrayBuffer } from "bun:ffi";

/** SDL opens an OpenGL window through GLX on X11; GTK, and everything on Wayland, through EGL. */
export type GlApi = "glx" | "egl-x11" | "egl-wayland";

export interface GlAnswer {
	readonly version: string;
	readonly renderer: string;
}

const { i32, u32, u64, ptr: pointer } = FFIType;

const GL_RENDERER = 0x1f01;
const GL_VERSION = 0x1f02;
/** A core context of at least this is asked for; drivers answer with the newest that they have. */
const CORE_MAJOR = 3;
const CORE_MINOR = 2;

const cstring = (text: string) => Buffer.from(`${text}\0`);

/** @throws Error saying what the host lacks. */
export function probeGl(api: GlApi): GlAnswer {
	return api === "glx" ? probeGlx() : probeEgl(api);
}

function openLibrary<const S extends Parameters<typeof dlopen>[1]>(name: string, symbols: S) {
	try {
		return dlopen(name, symbols).symbols;
	} catch {
		throw new Error(`${name} is missing: no OpenGL driver is installed for this display`);
	}
}

/** Text that a driver gives as a C string; null pointers are its way to say no. */
function text(address: unknown): string {
	const at = Number(address);
	if (!at) return "";
	return new CString(at as Pointer).toString();
}

function answer(getString: (name: number) => unknown): GlAnswer {
	const version = text(getString(GL_VERSION));
	if (version === "") throw new Error("the driver does not tell its OpenGL version");
	return { version, renderer: text(getString(GL_RENDERER)) };
}

const GLX = {
	renderType: 0x8011,
	rgbaBit: 1,
	rgbaType: 0x8014,
	drawableType: 0x8010,
	pbufferBit: 4,
	pbufferHeight: 0x8040,
	pbufferWidth: 0x8041,
	contextMajor: 0x2091,
	contextMinor: 0x2092,
	profileMask: 0x9126,
	coreProfile: 1,
} as const;

function probeGlx(): GlAnswer {
	const x11 = openLibrary("libX11.so.6", {
		XOpenDisplay: { args: [pointer], returns: pointer },
		XDefaultScreen: { args: [pointer], returns: i32 },
		XSetErrorHandler: { args: [FFIType.function], returns: pointer },
		XSync: { args: [pointer, i32], returns: i32 },
	});
	const gl = openLibrary("libGL.so.1", {
		glXQueryExtension: { args: [pointer, pointer, pointer], returns: i32 },
		glXChooseFBConfig: { args: [pointer, i32, pointer, pointer], returns: pointer },
		glXCreatePbuffer: { args: [pointer, pointer, pointer], returns: u64 },
		glXCreateNewContext: { args: [pointer, pointer, i32, pointer, i32], returns: pointer },
		glXMakeContextCurrent: { args: [pointer, u64, u64, pointer], returns: i32 },
		glXGetProcAddressARB: { args: [pointer], returns: pointer },
		glGetString: { args: [u32], returns: pointer },
	});
	const display = x11.XOpenDisplay(null);
	if (!display) throw new Error("the X server does not let this user in");
	// A context that cannot be had is an X error, and Xlib's own answer to that is to end the program.
	x11.XSetErrorHandler(new JSCallback(() => 0, { args: [pointer, pointer], returns: i32 }).ptr as Pointer);
	if (!gl.glXQueryExtension(display, ptr(new Int32Array(1)), ptr(new Int32Array(1)))) {
		throw new Error("the X server has no GLX");
	}
	const wanted = new Int32Array([GLX.renderType, GLX.rgbaBit, GLX.drawableType, GLX.pbufferBit, 0]);
	const count = new Int32Array(1);
	const configs = gl.glXChooseFBConfig(display, x11.XDefaultScreen(display), ptr(wanted), ptr(count));
	if (!configs || (count[0] ?? 0) < 1) throw new Error("the X server offers no OpenGL configuration");
	const config = Number(new BigUint64Array(toArrayBuffer(configs, 0, 8))[0]) as Pointer;
	const create = CFunction({
		ptr: gl.glXGetProcAddressARB(ptr(cstring("glXCreateContextAttribsARB"))) as Pointer,
		args: [pointer, pointer, pointer, i32, pointer],
		returns: pointer,
	});
	const core = new Int32Array([
		GLX.contextMajor,
		CORE_MAJOR,
		GLX.contextMinor,
		CORE_MINOR,
		GLX.profileMask,
		GLX.coreProfile,
		0,
	]);
	let context = create(display, config, null, 1, ptr(core)) as Pointer | null;
	x11.XSync(display, 0);
	context ||= gl.glXCreateNewContext(display, config, GLX.rgbaType, null, 1) as Pointer | null;
	if (!context) throw new Error("the driver gives no OpenGL context");
	const surface = gl.glXCreatePbuffer(
		display,
		config,
		ptr(new Int32Array([GLX.pbufferWidth, 1, GLX.pbufferHeight, 1, 0])),
	);
	if (!gl.glXMakeContextCurrent(display, surface, surface, context)) {
		throw new Error("the driver's OpenGL context cannot be used");
	}
	return answer((name) => gl.glGetString(name));
}

const EGL = {
	platformX11: 0x31d5,
	platformWayland: 0x31d8,
	openGlApi: 0x30a2,
	renderableType: 0x3040,
	openGlBit: 8,
	surfaceType: 0x3033,
	none: 0x3038,
	contextMajor: 0x3098,
	contextMinor: 0x30fb,
	profileMask: 0x30fd,
	coreProfile: 1,
} as const;

function probeEgl(api: "egl-x11" | "egl-wayland"): GlAnswer {
	const egl = openLibrary("libEGL.so.1", {
		eglGetPlatformDisplay: { args: [u32, pointer, pointer], returns: pointer },
		eglInitialize: { args: [pointer, pointer, pointer], returns: u32 },
		eglBindAPI: { args: [u32], returns: u32 },
		eglChooseConfig: { args: [pointer, pointer, pointer, i32, pointer], returns: u32 },
		eglCreateContext: { args: [pointer, pointer, pointer, pointer], returns: pointer },
		eglMakeCurrent: { args: [pointer, pointer, pointer, pointer], returns: u32 },
		eglGetProcAddress: { args: [pointer], returns: pointer },
	});
	const platform = api === "egl-x11" ? EGL.platformX11 : EGL.platformWayland;
	const display = egl.eglGetPlatformDisplay(platform, null, null);
	if (!display || !egl.eglInitialize(display, null, null)) throw new Error("EGL cannot be used on this display");
	if (!egl.eglBindAPI(EGL.openGlApi)) throw new Error("EGL offers OpenGL ES only");
	const wanted = new Int32Array([EGL.renderableType, EGL.openGlBit, EGL.surfaceType, 0, EGL.none]);
	const config = new BigUint64Array(1);
	const count = new Int32Array(1);
	if (!egl.eglChooseConfig(display, ptr(wanted), ptr(config), 1, ptr(count)) || count[0] !== 1) {
		throw new Error("EGL offers no OpenGL configuration");
	}
	const handle = Number(config[0]) as Pointer;
	const core = new Int32Array([
		EGL.contextMajor,
		CORE_MAJOR,
		EGL.contextMinor,
		CORE_MINOR,
		EGL.profileMask,
		EGL.coreProfile,
		EGL.none,
	]);
	const context =
		egl.eglCreateContext(display, handle, null, ptr(core)) ||
		egl.eglCreateContext(display, handle, null, ptr(new Int32Array([EGL.none])));
	if (!context) throw new Error("the driver gives no OpenGL context");
	if (!egl.eglMakeCurrent(display, null, null, context)) throw new Error("the driver's OpenGL context cannot be used");
	const getString = CFunction({
		ptr: egl.eglGetProcAddress(ptr(cstring("glGetString"))) as Pointer,
		args: [u32],
		returns: pointer,
	});
	return answer((name) => getString(name));
}
