# Makes the manual page flambeau.3 of the public headers: every function and type with the comment
# that stands before it.
#
#     awk -f tools/manual.awk -v version=0.1.0 include/flambeau/base.h ... >flambeau.3
#
# A header's first comment introduces its section; "/* ---- Title ---- */" begins a part; a blank
# line between a comment and what follows ends the comment's meaning.

BEGIN {
    printf ".TH FLAMBEAU 3 \"\" \"Flambeau %s\" \"Library functions\"\n", version
    print ".nh\n.ad l\n.SH NAME\nflambeau \\- tensors, automatic differentiation and training, in C"
    print ".SH SYNOPSIS\n.nf\n#include <flambeau.h>\n\ncc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs flambeau)\n.fi"
}

FNR == 1 {
    name = FILENAME
    sub(/.*\//, "", name)
    printf ".SH FLAMBEAU/%s\n", toupper(name)
    text = ""
}

/^\/\* ---- .* ---- \*\/$/ {
    gsub(/^\/\* -+ | -+ \*\/$/, "")
    print ".SS " shown($0)
    text = ""
    next
}
/^\/\*/ { in_comment = 1; text = "" }
in_comment {
    line = $0
    ended = sub(/ *\*\/.*/, "", line)
    sub(/^\/\* ?|^ \* ?| \*$/, "", line)
    text = text "\n" shown(line)
    if (ended) {
        in_comment = 0
        if (introduced != FILENAME) { # the header's own
            print ".PP\n.nf" text "\n.fi"
            introduced = FILENAME
            text = ""
        }
    }
    next
}
/^$/ { text = "" }

/^FL_API|^typedef|^static inline/ { collecting = 1; code = ""; depth = 0 }
collecting {
    line = $0
    sub(/^FL_API |^static inline |^       /, "", line) # a function's second line: as much less
    body = /^\{/ # of an inline function, which is nobody's business
    if (!body)
        code = code (code == "" ? "" : "\n") line
    plain = line
    gsub(/\/\*.*/, "", plain)
    depth += gsub(/\{/, "{", plain) - gsub(/\}/, "}", plain)
    if (body || (depth == 0 && plain ~ /;[ ]*$/)) {
        collecting = 0
        if (code !~ /fl_ops_/)
            show_code()
    }
}

function show_code() {
    if (text != "")
        print ".PP" text
    print ".PP\n.in +4\n.nf\n\\fB" shown(code) (body ? ";" : "") "\\fR\n.fi\n.in"
    text = ""
}

function shown(s) {
    gsub(/\\/, "\\e", s)
    gsub(/-/, "\\-", s)
    gsub(/\n\./, "\n\\\\\\&.", s)
    if (s ~ /^[.']/)
        s = "\\&" s
    return s
}
