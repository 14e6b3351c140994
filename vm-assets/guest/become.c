/*
 * become UID GID GROUPS TTY PROGRAM ARGUMENTS...
 *
 * The last step between the agent (root) and a program of a user's: one exec of a static program in place of sh and setpriv
 * (docs/decisions/become.md). GROUPS are numbers with commas between; TTY is the terminal's path, or "-". Gives up everything or
 * nothing: any failure ends it with 126, as a shell that cannot start a program does (127: there is none).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define GROUPS_MAX 64

static void fail(const char *what) {
	dprintf(2, "virtualghost: %s: %s\n", what, strerror(errno));
	_exit(126);
}

static unsigned number(const char *text, char **end) {
	char *rest;
	errno = 0;
	unsigned long value = strtoul(text, &rest, 10);
	if (errno || rest == text || value >= 0xffffffffUL || (!end && *rest)) {
		errno = EINVAL;
		fail(text);
	}
	if (end) *end = rest;
	return (unsigned)value;
}

int main(int argc, char **argv) {
	if (argc < 6) {
		errno = EINVAL;
		fail("become UID GID GROUPS TTY PROGRAM");
	}
	unsigned uid = number(argv[1], NULL), gid = number(argv[2], NULL);
	gid_t groups[GROUPS_MAX];
	int count = 0;
	for (char *rest = argv[3]; *rest; rest += *rest == ',') {
		if (count == GROUPS_MAX) {
			errno = E2BIG;
			fail(argv[3]);
		}
		groups[count++] = number(rest, &rest);
		if (*rest && *rest != ',') {
			errno = EINVAL;
			fail(argv[3]);
		}
	}
	if (strcmp(argv[4], "-") != 0) {
		int tty = open(argv[4], O_RDWR);
		if (tty < 0 || ioctl(tty, TIOCSCTTY, 0) != 0) fail(argv[4]);
		for (int fd = 0; fd < 3; fd++)
			if (dup2(tty, fd) < 0) fail(argv[4]);
		if (tty > 2) close(tty);
	}
	/* The agent is spared when memory runs out; what it runs is not. */
	int score = open("/proc/self/oom_score_adj", O_WRONLY);
	if (score >= 0) {
		if (write(score, "0", 1) != 1) fail("oom_score_adj");
		close(score);
	}
	/* What the agent ignores or blocks is not the program's business. */
	for (int each = 1; each < NSIG; each++) signal(each, SIG_DFL);
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (setgroups((size_t)count, groups) != 0 || setgid(gid) != 0 || setuid(uid) != 0) fail("cannot become the user");
	if (uid != 0 && setuid(0) == 0) {
		errno = EPERM;
		fail("root was not given up");
	}
	execvp(argv[5], argv + 5);
	int missing = errno == ENOENT;
	dprintf(2, "virtualghost: %s: %s\n", argv[5], strerror(errno));
	return missing ? 127 : 126;
}
