# System-wide settings of interactive shells in a VirtualGhost machine. ~/.bashrc is read after this and may change it all.
[ -z "${PS1-}" ] && return

shopt -s checkwinsize histappend
HISTCONTROL=ignoreboth
HISTSIZE=10000
HISTFILESIZE=20000

if [ -x /usr/bin/dircolors ]; then
	eval "$(dircolors -b)"
	alias ls='ls --color=auto' grep='grep --color=auto' ip='ip -color=auto'
fi
alias ll='ls -lh' la='ls -lAh'
export LESS=-R EDITOR="${EDITOR:-nano}"

if [ "$EUID" -eq 0 ]; then
	PS1='\[\e[1;31m\]\u@virtualghost\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\$ '
else
	PS1='\[\e[1;32m\]\u@virtualghost\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\$ '
fi

if ! shopt -oq posix && [ -r /usr/share/bash-completion/bash_completion ]; then
	. /usr/share/bash-completion/bash_completion
fi

# The first prompt in the session's terminal tells the host that the terminal is up, once.
if [ -n "${VIRTUALGHOST_SESSION-}" ] && [ ! -e /run/virtualghost/session/terminal-up ]; then
	__virtualghost_first_prompt() {
		: 2>/dev/null >/run/virtualghost/session/terminal-up
		printf '\e[2mThis machine is disposable: it ends with this terminal, and so does everything in it.\n'
		printf '`exit` or closing the window ends it; `sudo` needs no password.\e[0m\n'
		PROMPT_COMMAND=("${PROMPT_COMMAND[@]/__virtualghost_first_prompt/}")
		unset -f __virtualghost_first_prompt
	}
	PROMPT_COMMAND+=(__virtualghost_first_prompt)
fi
