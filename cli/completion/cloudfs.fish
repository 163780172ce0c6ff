# SPDX-License-Identifier: Apache-2.0
# Completion for fish. What can be completed is asked of the command itself: commands and options of
# its --help, names of images and mounts of the store that the line names.

# The options of a command, a line each: letter or "-", name, argument or "-", help.
function __cloudfs_options
    command cloudfs $argv[1] --help 2>/dev/null | awk '
        /^  (-[A-Za-z],|   ) --/ {
            letter = substr($0, 3, 1) == "-" ? substr($0, 3, 2) : "-"
            rest = substr($0, 7)
            name = rest
            sub(/ .*/, "", name)
            argument = substr(rest, length(name) + 2)
            sub(/ .*/, "", argument)
            print letter, name, argument == "" ? "-" : argument, substr($0, 32)
        }'
end

function __cloudfs_commands
    command cloudfs --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\)  *\(.*\)/\1\t\2/p'
end

# Reads the line up to the cursor into variables of its caller: root, cmd, value, operands.
function __cloudfs_read -S
    set root
    set cmd
    set value
    set operands 0
    set -l ended
    set -l options (__cloudfs_options df)
    for word in (commandline -opc)[2..-1]
        if test -n "$value"
            test "$value" = --root; and set root --root $word
            set value
        else if string match -q -- '--root=*' $word
            set root $word
        else if test "$word" = --
            set ended 1
        else if string match -q -- '-?*' $word; and test -z "$ended"
            for line in $options
                set -l part (string split -m 3 ' ' -- $line)
                if test "$part[3]" != -; and contains -- $word $part[1] $part[2]
                    set value $part[2]
                end
            end
        else if test -z "$cmd"
            set cmd $word
            set options (__cloudfs_options $cmd)
        else
            set operands (math $operands + 1)
        end
    end
end

# What lies in the directory of the image that the word names; directories with a slash.
function __cloudfs_paths
    set -l word (commandline -ct)
    string match -q '*:*' -- $word; or return
    set -l dir (string replace -r '[^/:]*$' '' -- $word)
    set -l asked (string replace -r ':$' '' -- (string replace -r '/$' '/.' -- $dir))
    command cloudfs $argv ls -l $asked 2>/dev/null |
        sed -n 's|^\(.\)[^ ]* [ 0-9,]* [0-9-]\{10\} [0-9:]\{8\} \(.*\)$|\1\2|p' |
        sed -e '/^l/s| -> .*||' -e 's| (opaque)$||' -e '/^d/s|$|/|' -e 's|^.||' |
        while read -l name
            echo $dir$name
        end
end

function __cloudfs_value -S
    switch "$cmd:$value"
        case '*:--progress'
            printf '%s\n' auto tty plain json none
        case '*:--tls-verify'
            printf '%s\n' true false
        case '*:--root' '*:--upper' '*:--cert-dir'
            __fish_complete_directories (commandline -ct)
        case '*:--tag' '*:--onto' '*:--base'
            command cloudfs $root images --names 2>/dev/null
        case '*:--output-dir'
            __fish_complete_directories (commandline -ct)
        case '*:--input' '*:--output' '*:--authfile' chart:--values build:--file override:--file commit:--clusterfile
            __fish_complete_path (commandline -ct)
        case '*:--resume'
            command cloudfs $root mount -q 2>/dev/null
        case inspect:--format
            printf '%s\n' json sealer
        case save:--format
            printf '%s\n' oci oci-dir docker sealer
        case push:--compression
            printf '%s\n' zstd:chunked zstd gzip
        case save:--compression
            printf '%s\n' none gzip zstd
        case build:--network
            printf '%s\n' none host
        case mount:--engine
            printf '%s\n' fuse kernel
    end
end

function __cloudfs_operand -S
    switch "$cmd:$operands"
        case import:0
            __fish_complete_path (commandline -ct)
        case 'ls:*' 'cat:*' extract:0
            command cloudfs $root images --names 2>/dev/null
            __cloudfs_paths $root
        case extract:1 mount:1 build:0
            __fish_complete_directories (commandline -ct)
        case images:0 'tag:*' 'merge:*' 'rmi:*' history:0 rebase:0 blame:0 'save:*' 'push:*' pull:0 mount:0 diff:1
            command cloudfs $root images --names 2>/dev/null
        case inspect:0 diff:0 scan:0 cache:0 override:0 kubeadm:0 check:0 df:0
            command cloudfs $root images --names 2>/dev/null
            command cloudfs $root mount -q 2>/dev/null
            __fish_complete_directories (commandline -ct)
        case 'umount:*' commit:0 info:0
            command cloudfs $root mount -q 2>/dev/null
            __fish_complete_directories (commandline -ct)
        case chart:0
            echo template
        case 'chart:*'
            __fish_complete_path (commandline -ct)
        case help:0
            __cloudfs_commands
    end
end

function __cloudfs_complete
    set -l root
    set -l cmd
    set -l value
    set -l operands 0
    __cloudfs_read
    if test -n "$value"
        __cloudfs_value
    else if string match -q -- '-*' (commandline -ct)
        set -l of $cmd
        test -n "$cmd"; or set of df
        for line in (__cloudfs_options $of)
            set -l part (string split -m 3 ' ' -- $line)
            printf '%s\t%s\n' $part[2] $part[4]
        end
        printf '%s\t%s\n' --help 'usage and options'
        test -n "$cmd"; or printf '%s\t%s\n' --version 'print the version'
    else if test -z "$cmd"
        __cloudfs_commands
    else
        __cloudfs_operand
    end
end

complete -c cloudfs -f -a '(__cloudfs_complete)'
