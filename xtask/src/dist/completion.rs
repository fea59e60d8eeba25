//! Completions for bash, zsh and fish, from the command line itself; networks are completed by asking the pool.

use clap_complete::{Shell, generate};

/// Where each script is installed, and its text.
pub(crate) fn scripts() -> Vec<(&'static str, String)> {
    vec![
        ("usr/share/bash-completion/completions/nsgate", bash()),
        ("usr/share/zsh/site-functions/_nsgate", zsh()),
        ("usr/share/fish/vendor_completions.d/nsgate.fish", fish()),
    ]
}

fn of(shell: Shell) -> String {
    let mut bytes = Vec::new();
    generate(shell, &mut nsgate::cli::command(), "nsgate", &mut bytes);
    let text = String::from_utf8(bytes).expect("a completion script is UTF-8");
    // No blanks at the ends of lines, which reviewers' tools mark.
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The function of clap_complete, behind one that knows networks.
fn bash() -> String {
    of(Shell::Bash)
        + r#"
# The networks that the pool serves, where `nsgate remove` wants one.
_nsgate_networks() {
    if [[ ${COMP_WORDS[1]-} == remove && ${COMP_WORDS[COMP_CWORD-1]} == --@(network|router|ovn-network)-id ]]; then
        local header
        case ${COMP_WORDS[COMP_CWORD-1]} in
            --network-id) header=X-Neutron-Network-ID ;;
            --router-id) header=X-Neutron-Router-ID ;;
            *) header=X-OVN-Network-ID ;;
        esac
        local ids
        ids=$(nsgate list 2>/dev/null | while read -r kind id _; do
            if [[ $kind == "$header" ]]; then echo "$id"; fi
        done)
        mapfile -t COMPREPLY < <(compgen -W "$ids" -- "${COMP_WORDS[COMP_CWORD]}")
    else
        _nsgate "$@"
    fi
}
complete -F _nsgate_networks -o bashdefault -o default nsgate
"#
}

/// clap_complete leaves values of these options to `_default`; a function of ours takes its place.
fn zsh() -> String {
    const FUNCTION: &str = r#"
# The networks that the pool serves.
(( $+functions[_nsgate_networks] )) ||
_nsgate_networks() {
    local -a ids
    ids=(${(f)"$(nsgate list 2>/dev/null | while read -r kind id _; do
        if [[ $kind == $1 ]]; then echo $id; fi
    done)"})
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
        let header = [
            ("'--network-id=[", "X-Neutron-Network-ID"),
            ("'--router-id=[", "X-Neutron-Router-ID"),
            ("--ovn-network-id=[", "X-OVN-Network-ID"),
        ];
        let header = header.iter().find(|(option, _)| removing && line.contains(option));
        match header {
            Some((_, header)) => text.push_str(&line.replace(":_default'", &format!(":_nsgate_networks {header}'"))),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text.replace("\nif [ \"$funcstack[1]\" = \"_nsgate\" ]; then", FUNCTION)
}

fn fish() -> String {
    of(Shell::Fish)
        + r#"
# The networks that the pool serves, where `nsgate remove` wants one.
function __fish_nsgate_networks
    nsgate list 2>/dev/null | while read -l kind id rest
        test "$kind" = "$argv[1]"; and echo $id
    end
end
complete -c nsgate -n "__fish_nsgate_using_subcommand remove" -l network-id -x -a "(__fish_nsgate_networks X-Neutron-Network-ID)"
complete -c nsgate -n "__fish_nsgate_using_subcommand remove" -l router-id -x -a "(__fish_nsgate_networks X-Neutron-Router-ID)"
complete -c nsgate -n "__fish_nsgate_using_subcommand remove" -l ovn-network-id -x -a "(__fish_nsgate_networks X-OVN-Network-ID)"
"#
}
