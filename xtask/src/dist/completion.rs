//! Completions for bash, zsh and fish, from the command line itself; networks are completed by asking the pool.

use clap_complete::{Shell, generate};

/// The path of each script among the pages, and its text.
pub(crate) fn scripts() -> Vec<(&'static str, String)> {
    vec![("bash/nsgate", bash()), ("zsh/_nsgate", zsh()), ("fish/nsgate.fish", fish())]
}

fn of(shell: Shell) -> String {
    let mut bytes = Vec::new();
    generate(shell, &mut nsgate::cli::command(), "nsgate", &mut bytes);
    let text = String::from_utf8(bytes).expect("a completion script is UTF-8");
    // No blanks at the ends of lines, which reviewers' tools mark.
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// `cargo xtask completion SHELL`: the script, to try it.
pub(crate) fn run(shell: Shell) -> Result<(), String> {
    let script = scripts().into_iter().find(|(path, _)| path.starts_with(&shell.to_string()));
    script.map(|(_, text)| print!("{text}")).ok_or_else(|| format!("there is no script for {shell}: bash, zsh or fish"))
}

/// The function of clap_complete, behind one that knows networks.
fn bash() -> String {
    of(Shell::Bash)
        + r#"
# The networks that the pool serves, where `nsgate remove` wants one.
_nsgate_networks() {
    local kind= names= index current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
    local -a pool=()
    for ((index = 2; index < COMP_CWORD - 1; index++)); do
        if [[ ${COMP_WORDS[index]} == --pool ]]; then
            # `--pool=PATH` is three words.
            if [[ ${COMP_WORDS[index+1]} == = ]]; then ((index++)); fi
            pool=(--pool "${COMP_WORDS[index+1]}")
        fi
    done
    case ${COMP_WORDS[1]-}:$before in
        remove:--network-id) kind=X-Neutron-Network-ID ;;
        remove:--router-id) kind=X-Neutron-Router-ID ;;
        remove:--ovn-network-id) kind=X-OVN-Network-ID ;;
        remove:--pool | remove:=) ;;
        remove:*) if ((COMP_CWORD > 1)) && [[ $current != -* ]]; then names=yes; fi ;;
    esac
    if [[ $kind ]]; then
        names=$(nsgate list "${pool[@]}" 2>/dev/null | while read -r header id _; do
            if [[ $header == "$kind" ]]; then echo "$id"; fi
        done)
    elif [[ $names ]]; then
        names=$(nsgate list --names "${pool[@]}" 2>/dev/null)
    else
        _nsgate "$@"
        return
    fi
    mapfile -t COMPREPLY < <(compgen -W "$names" -- "$current")
}
complete -F _nsgate_networks -o bashdefault -o default nsgate
"#
}

/// clap_complete leaves values of these options to `_default`; a function of ours takes its place.
fn zsh() -> String {
    const FUNCTION: &str = r#"
# The networks that the pool serves, of one kind if that is named.
(( $+functions[_nsgate_networks] )) ||
_nsgate_networks() {
    local -a ids pool
    local -i at=${words[(I)--pool]}
    (( at )) && pool=(--pool $words[at+1])
    at=${words[(I)--pool=*]}
    (( at )) && pool=($words[at])
    if [[ -n $1 ]]; then
        ids=(${(f)"$(nsgate list $pool 2>/dev/null | while read -r kind id _; do
            if [[ $kind == $1 ]]; then echo $id; fi
        done)"})
    else
        ids=(${(f)"$(nsgate list --names $pool 2>/dev/null)"})
    fi
    compadd -a ids
}

if [ "$funcstack[1]" = "_nsgate" ]; then"#;
    let mut removing = false;
    let mut text = String::new();
    for line in of(Shell::Zsh).lines() {
        // Each subcommand begins with its name in parentheses.
        if line.starts_with('(') && line.ends_with(')') {
            removing = line == "(remove)";
        }
        let wanted = [
            ("'--network-id=[", " X-Neutron-Network-ID"),
            ("'--router-id=[", " X-Neutron-Router-ID"),
            ("--ovn-network-id=[", " X-OVN-Network-ID"),
            ("'::id -- ", ""),
        ];
        let kind = wanted.iter().find(|(option, _)| removing && line.contains(option));
        match kind {
            // With a leading blank zsh calls it as it is, without words of its own.
            Some((_, kind)) => text.push_str(&line.replace(":_default'", &format!(": _nsgate_networks{kind}'"))),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text.replace("\nif [ \"$funcstack[1]\" = \"_nsgate\" ]; then", FUNCTION)
}

fn fish() -> String {
    of(Shell::Fish)
        + r#"
# The networks that the pool serves, where `nsgate remove` wants one; of one kind if that is named.
function __fish_nsgate_networks
    set -l words (commandline -opc)
    set -l pool (string match -- '--pool=*' $words)
    if set -l at (contains -i -- --pool $words)
        set pool --pool $words[(math $at + 1)]
    end
    if not set -q argv[1]
        nsgate list --names $pool 2>/dev/null
        return
    end
    nsgate list $pool 2>/dev/null | while read -l kind id rest
        test "$kind" = "$argv[1]"; and echo $id
    end
end
complete -c nsgate -n "__fish_nsgate_using_subcommand remove" -f -a "(__fish_nsgate_networks)"
complete -c nsgate -n "__fish_nsgate_using_subcommand remove" -l network-id -x -a "(__fish_nsgate_networks X-Neutron-Network-ID)"
complete -c nsgate -n "__fish_nsgate_using_subcommand remove" -l router-id -x -a "(__fish_nsgate_networks X-Neutron-Router-ID)"
complete -c nsgate -n "__fish_nsgate_using_subcommand remove" -l ovn-network-id -x -a "(__fish_nsgate_networks X-OVN-Network-ID)"
"#
}
