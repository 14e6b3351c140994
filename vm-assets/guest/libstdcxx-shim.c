/*
 * The four glibc names that Debian's libstdc++.a uses and musl does not have. With them, the parts of libstdc++ that Bun's
 * musl executable needs can be linked into a shared library for musl (vm-assets/build/musl.ts).
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>

/* glibc sets this to let libstdc++ skip atomics in a process with one thread. Bun always has several. */
char __libc_single_threaded = 0;

uint32_t arc4random(void) {
	uint32_t value;
	while (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value) {}
	return value;
}

/* glibc's short cut for the unwinder; "not found" makes it fall back to dl_iterate_phdr, which musl has. */
int _dl_find_object(void *address, void *result) {
	(void)address;
	(void)result;
	return -1;
}

/* C23's strtoul, which also reads 0b101. libstdc++ reads a tunable of its exception allocator with it, and nothing else. */
unsigned long __isoc23_strtoul(const char *text, char **end, int base) {
	return strtoul(text, end, base);
}
