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

# Up and down look for what begins like the line; completion forgives upper and lower case, and shows colours.
if [[ $- == *i* ]] && shopt -oq emacs; then
	bind '"\e[A": history-search-backward' '"\e[B": history-search-forward' '"\eOA": history-search-backward' '"\eOB": history-search-forward' 2>/dev/null
	bind 'set completion-ignore-case on' 2>/dev/null
	bind 'set colored-stats on' 2>/dev/null
fi

# The machine's name as the kernel has it now: a shell that was there before the machine got its name, in a snapshot, would keep the
# old one (bash's \h). And the branch of a git checkout. Builtins only: a prompt must not cost a process.
__virtualghost_prompt() {
	local folder=$PWD head
	read -r __virtualghost_name </proc/sys/kernel/hostname
	__virtualghost_branch=
	while [ -n "$folder" ]; do
		if [ -r "$folder/.git/HEAD" ]; then
			read -r head <"$folder/.git/HEAD"
			head=${head//[^[:print:]]/}
			case $head in
			'ref: refs/heads/'*) __virtualghost_branch=" (${head#ref: refs/heads/})" ;;
			*) __virtualghost_branch=" (${head:0:8})" ;;
			esac
			return
		fi
		folder=${folder%/*}
	done
}
PROMPT_COMMAND+=(__virtualghost_prompt)
__virtualghost_colour=32
[ "$EUID" -eq 0 ] && __virtualghost_colour=31
PS1='\[\e[1;${__virtualghost_colour}m\]\u@${__virtualghost_name}\[\e[0m\]:\[\e[1;34m\]\w\[\e[0m\]\[\e[33m\]${__virtualghost_branch}\[\e[0m\]\$ '

# With the first Tab: reading 3,000 lines before the first prompt takes an emulated processor half a second.
if ! shopt -oq posix && [ -r /usr/share/bash-completion/bash_completion ]; then
	__virtualghost_completion() {
		complete -r -D
		unset -f __virtualghost_completion
		. /usr/share/bash-completion/bash_completion
		return 124 # Try again with what is there now.
	}
	complete -D -F __virtualghost_completion
fi

# The first prompt in the session's terminal tells the host that the terminal is up, once; on the user's very first start it says where
# this is.
if [ -n "${VIRTUALGHOST_SESSION-}" ] && [ ! -e /run/virtualghost/session/terminal-up ]; then
	__virtualghost_first_prompt() {
		: 2>/dev/null >/run/virtualghost/session/terminal-up
		if [ -e /run/virtualghost/hint ]; then
			printf '\e[2mThis machine is disposable: it ends with this terminal, and so does everything in it.\n'
			printf '`exit` or closing the window ends it; `sudo` needs no password.\e[0m\n'
		fi
		PROMPT_COMMAND=("${PROMPT_COMMAND[@]/__virtualghost_first_prompt/}")
		unset -f __virtualghost_first_prompt
	}
	PROMPT_COMMAND+=(__virtualghost_first_prompt)
fi
