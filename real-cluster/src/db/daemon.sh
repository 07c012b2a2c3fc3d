# One program that outlives the connection that started it: daemon VERB FOLDER [...], as root. POSIX sh.
#
# It runs in a session of its own whose leader is a shell that waits for it; FOLDER/pid has the leader's number and its start
# time, so that no number that was given to another process is ever signalled. FOLDER/ends has a line for every end that nobody
# asked for: the status and the time.
set -u
verb=$1 folder=$2
shift 2

now() { date +%s; }

# The fields of a stat file after the program's name, which may hold anything: the first is the state, the 20th the start time.
fields() {
    { read -r line < "$1"; } 2> /dev/null || return 1
    rest=${line##*) }
}

# The leader's number, if the session may still have processes.
leader() {
    { read -r leader started < "$folder/pid"; } 2> /dev/null || return 1
    if fields "/proc/$leader/stat"; then
        set -- $rest
        [ "${20}" = "$started" ]
    fi
}

# Every process of the session that is not a zombie: number and state.
members() {
    leader || return 0
    for stat in /proc/[0-9]*/stat; do
        fields "$stat" || continue
        pid=${stat#/proc/}
        pid=${pid%/stat}
        set -- $rest
        if [ "$4" = "$leader" ] && [ "$1" != Z ]; then echo "$pid $1"; fi
    done
}

count() { members | wc -l; }

signal() {
    members | while read -r pid _; do kill -s "$1" "$pid" 2> /dev/null; done
}

# Waits until a test holds, for so many seconds.
await() {
    limit=$(($(now) + $1))
    shift
    until "$@"; do
        [ "$(now)" -le "$limit" ] || return 1
        sleep 0.02
    done
}

gone() { [ "$(count)" -eq 0 ]; }
killed() {
    signal KILL
    gone
}
stands() {
    fields "/proc/$1/stat" || return 0
    case $rest in T* | t* | Z*) ;; *) return 1 ;; esac
}
standing() { [ -z "$(members | grep -v ' [Tt]$')" ]; }

case $verb in
# start FOLDER LOG PROGRAM [WORD...]: prints `started` or `already running`.
start)
    log=$1
    shift
    if ! gone; then
        echo "already running"
        exit 0
    fi
    mkdir -p -- "$folder" "$(dirname -- "$log")"
    rm -f -- "$folder/pid" "$folder/ending"
    {
        printf '%s start:' "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
        printf ' %s' "$@"
        echo
    } >> "$log" || exit 1
    setsid sh -c '
        folder=$1 log=$2
        shift 2
        trap : TERM INT HUP
        read -r line < "/proc/$$/stat"
        rest=${line##*) }
        set -- "$rest" "$@"
        echo "$$ $(echo "$1" | cut -d" " -f20)" > "$folder/pid.new" && mv "$folder/pid.new" "$folder/pid" || exit 1
        shift
        "$@" >> "$log" 2>&1 < /dev/null
        status=$?
        [ -e "$folder/ending" ] || echo "$status $(date +%s)" >> "$folder/ends"
    ' leader "$folder" "$log" "$@" < /dev/null > /dev/null 2>&1 &
    if ! await 5 [ -s "$folder/pid" ]; then
        echo "it did not start within 5 s" >&2
        exit 1
    fi
    echo started
    ;;
# stop FOLDER SECONDS: SIGTERM, SIGKILL if that was not enough; prints `ended`, `killed` or `not running`.
stop)
    if gone; then
        rm -f -- "$folder/pid"
        echo "not running"
        exit 0
    fi
    : > "$folder/ending"
    signal CONT
    signal TERM
    if await "$1" gone; then
        echo ended
    else
        signal KILL
        if ! await 10 gone; then
            echo "it did not go within 10 s of SIGKILL" >&2
            exit 1
        fi
        echo killed
    fi
    rm -f -- "$folder/pid"
    ;;
# kill FOLDER: SIGKILL to all of the session; returns when they are gone; prints how many there were.
kill)
    before=$(count)
    if [ "$before" -gt 0 ]; then
        : > "$folder/ending"
        leader && kill -s KILL -- "-$leader" 2> /dev/null
        if ! await 10 killed; then
            echo "it did not go within 10 s of SIGKILL" >&2
            exit 1
        fi
    fi
    rm -f -- "$folder/pid"
    echo "$before"
    ;;
# pause FOLDER: SIGSTOP to all of the session; returns when they stand; prints how many did not stand before.
pause)
    before=0
    # The youngest first, one by one: a program that waits for the answer of its supervisor (the time shim) can only be stopped
    # when it has that, so the supervisor must not stand before.
    for pid in $(members | grep -v ' [Tt]$' | sort -rn | cut -d' ' -f1); do
        kill -s STOP "$pid" 2> /dev/null || continue
        before=$((before + 1))
        await 3 stands "$pid" || break
    done
    # What was forked meanwhile.
    signal STOP
    if ! await 3 standing; then
        echo "not all of it stood within 3 s of SIGSTOP" >&2
        exit 1
    fi
    echo "$before"
    ;;
# resume FOLDER: SIGCONT to all of the session.
resume) signal CONT ;;
# status FOLDER: prints `running NUMBER` or `not running`.
status)
    if leader && ! gone; then echo "running $leader"; else echo "not running"; fi
    ;;
# ends FOLDER: prints what ended unasked, and forgets it.
ends)
    if [ -e "$folder/ends" ]; then
        mv -f -- "$folder/ends" "$folder/ends.told"
        cat -- "$folder/ends.told"
    fi
    ;;
*)
    echo "daemon: $verb is none of start, stop, kill, pause, resume, status, ends" >&2
    exit 1
    ;;
esac
