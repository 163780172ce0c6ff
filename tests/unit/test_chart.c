/* SPDX-License-Identifier: Apache-2.0 */
/* Templates and what they give, by the documentation of Go's text/template, Sprig and Helm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "chart_fixture.h"

static void actions_variables_and_scopes(void **state)
{
    static const struct pair pairs[] = {
        {"plain", "plain"},
        {"{{ .Values.name }}", "web"},
        {"a {{- \" b \" -}} c", "a b c"},
        {"a\n{{- /* gone */ -}}\nb", "ab"},
        {"{{/* gone */}}x", "x"},
        {"{{ $x := 1 }}{{ $x = 2 }}{{ $x }}", "2"},
        {"{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "21"},
        {"{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2"},
        {"{{ with .Values.map }}{{ .w }}{{ $.Values.name }}{{ end }}", "twoweb"},
        {"{{ with $x := .Values.name }}{{ $x }}{{ . }}{{ end }}", "webweb"},
        {"{{ with .Values.empty }}a{{ else }}b{{ end }}", "b"},
        {"{{ with .Values.empty }}a{{ else with .Values.name }}{{ . }}{{ end }}", "web"},
        {"{{ if .Values.bad }}a{{ else if .Values.good }}b{{ else }}c{{ end }}", "b"},
        {"{{ range .Values.list }}{{ . }},{{ end }}", "a,b,c,"},
        {"{{ range $i, $v := .Values.list }}{{ $i }}{{ $v }} {{ end }}", "0a 1b 2c "},
        {"{{ range $k, $v := .Values.map }}{{ $k }}={{ $v }} {{ end }}",
         "w=two x=1 z=map[deep:true] "},
        {"{{ range .Values.none }}a{{ else }}b{{ end }}", "b"},
        {"{{ range 3 }}{{ . }}{{ end }}", "012"},
        {"{{ range $i := until 5 }}{{ if eq $i 1 }}{{ continue }}{{ end }}{{ if eq $i 3 }}{{ break "
         "}}{{ end }}{{ $i }}{{ end }}",
         "02"},
        {"{{ define \"in\" }}<{{ . }}>{{ end }}{{ template \"in\" 5 }}{{ template \"in\" }}",
         "<5><>"},
        {"{{ block \"blk\" .Values.name }}({{ . }}){{ end }}", "(web)"},
        {"{{ include \"full\" . }}", "release-name-demo"},
        {"{{ include \"labels\" . | nindent 2 }}", "\n  \n  a: b\n  c: d"},
        {"{{ tpl .Values.tpl . }}", "web-release-name"},
        {"{{ tpl \"{{ define \\\"q\\\" }}Q{{ end }}{{ include \\\"q\\\" . }}\" . }}", "Q"},
        {"{{ (index .Values.list 1) | upper | quote }}", "\"B\""},
        {"{{ (dict \"a\" (dict \"b\" 7)).a.b }}", "7"},
        {"{{ .Values.map.z.deep }}", "true"},
        {"{{ .Values.none }}|{{ .Values.absent }}|{{ .Values.absent | default \"d\" }}", "||d"},
        {"{{ 1 }} {{ 0x1F }} {{ 1_000 }} {{ 1.5e3 }} {{ 'a' }} {{ `raw\"` }}",
         "1 31 1000 1500 97 raw\""},
        {"{{ print 1 2 \"a\" \"b\" 3 }}", "1 2ab3"},
        {"{{ println 1 \"a\" }}", "1 a\n"},
    };
    (void)state;
    CHECK(pairs);
}

static void truth_comparison_and_logic(void **state)
{
    static const struct pair pairs[] = {
        {"{{ and true .Values.name }} {{ and .Values.empty (fail \"x\") }}|{{ or .Values.name "
         "(fail \"x\") }}",
         "web |web"},
        {"{{ or .Values.none .Values.empty \"c\" }} {{ not .Values.bad }}", "c true"},
        {"{{ eq 1 1 }} {{ eq 1 2 1 }} {{ ne \"a\" \"b\" }} {{ lt 1 2 }} {{ ge \"b\" \"a\" }}",
         "true true true true true"},
        {"{{ eq .Values.name \"web\" }} {{ eq .Values.half 0.5 }} {{ eq (int .Values.count) 3 }}",
         "true true true"},
        {"{{ eq .Values.absent nil }} {{ eq .Values.absent \"x\" }}", "true false"},
        {"{{ len .Values.list }} {{ len .Values.name }} {{ len .Values.map }}", "3 3 3"},
        {"{{ index .Values.map \"z\" \"deep\" }} {{ index .Values.list 2 }}", "true c"},
        {"{{ kindOf .Values.count }} {{ kindOf 1 }} {{ kindOf .Values.map }} {{ kindOf "
         ".Values.none }} {{ typeOf (list) }}",
         "float64 int map invalid []interface {}"},
        {"{{ kindIs \"string\" .Values.name }} {{ typeIs \"bool\" true }} {{ ternary \"a\" \"b\" "
         "true }}",
         "true true a"},
        {"{{ empty 0 }} {{ empty .Values.list }} {{ coalesce .Values.none 0 \"z\" }} {{ all 1 0 }} "
         "{{ any 1 0 }}",
         "true false z false true"},
    };
    (void)state;
    CHECK(pairs);
}

static void numbers_print_as_go_prints_them(void **state)
{
    static const struct pair pairs[] = {
        {"{{ .Values.count }} {{ .Values.big }} {{ .Values.half }} {{ int .Values.big }}",
         "3 1e+06 0.5 1000000"},
        {"{{ printf \"%d %5d|%-5d|%05d %x %X %o %b %c %q %U\" 42 42 42 42 255 255 8 5 65 65 65 }}",
         "42    42|42   |00042 ff FF 10 101 A 'A' U+0041"},
        {"{{ printf \"%v %+v %s %q %t %T\" .Values.list .Values.map \"s\" \"q\\n\" true 1 }}",
         "[a b c] map[w:two x:1 z:map[deep:true]] s \"q\\n\" true int"},
        {"{{ printf \"%.2f %8.3f|%e %g %6s|%-6s|%%\" 1.5 2.25 1500.0 0.1 \"ab\" \"ab\" }}",
         "1.50    2.250|1.500000e+03 0.1     ab|ab    |%"},
        {"{{ printf \"%d\" .Values.count }} {{ printf \"%s\" nil }} {{ printf \"%d %d\" 1 }} {{ "
         "printf \"%d\" 1 2 }}",
         "%!d(float64=3) %!s(<nil>) 1 %!d(MISSING) 1%!(EXTRA int=2)"},
        {"{{ add 1 2 3 }} {{ sub 5 2 }} {{ mul 2 3 4 }} {{ div 7 2 }} {{ mod 7 3 }} {{ add1 1 }} "
         "{{ max 1 5 3 }} {{ min 4 2 }}",
         "6 3 24 3 1 2 5 2"},
        {"{{ addf 0.1 0.2 }} {{ mulf 1.5 2 }} {{ divf 1 4 }} {{ round 3.14159 2 }} {{ floor 1.7 }} "
         "{{ ceil 1.2 }}",
         "0.3 3 0.25 3.14 1 2"},
        {"{{ int \"12\" }} {{ int64 3.9 }} {{ float64 \"1.25\" }} {{ atoi \"7\" }} {{ toString 1.0 "
         "}}",
         "12 3 1.25 7 1"},
        {"{{ until 3 }} {{ untilStep 1 8 3 }} {{ seq 3 }} {{ seq 1 2 5 }}",
         "[0 1 2] [1 4 7] 1 2 3 1 3 5"},
    };
    (void)state;
    CHECK(pairs);
}

static void strings(void **state)
{
    static const struct pair pairs[] = {
        {"{{ upper \"aé\" }} {{ title \"hello world\" }} {{ untitle \"Hello World\" }} {{ trunc 3 "
         "\"abcde\" }} {{ trunc -2 \"abcde\" }}",
         "AÉ Hello World hello world abc de"},
        {"{{ trim \" a \" }}|{{ trimAll \"$\" \"$5$\" }}|{{ trimSuffix \"-\" \"a-\" }}|{{ "
         "trimPrefix \"-\" \"-a\" }}",
         "a|5|a|a"},
        {"{{ replace \" \" \"-\" \"a b c\" }} {{ repeat 3 \"ab\" }} {{ substr 1 3 \"abcde\" }} {{ "
         "nospace \"a b\" }}",
         "a-b-c ababab bc ab"},
        {"{{ quote \"a\\\"b\" 1 nil }} {{ squote \"a\" }} {{ cat \"a\" 1 true }}",
         "\"a\\\"b\" \"1\" 'a' a 1 true"},
        {"{{ indent 2 \"a\\nb\" }}", "  a\n  b"},
        {"{{ splitList \",\" \"a,b\" }} {{ (split \"$\" \"x$y\")._1 }} {{ join \"-\" (list 1 nil "
         "\"b\") }}",
         "[a b] y 1-b"},
        {"{{ contains \"b\" \"abc\" }} {{ hasPrefix \"a\" \"abc\" }} {{ hasSuffix \"c\" \"abc\" }}",
         "true true true"},
        {"{{ snakecase \"FirstName\" }} {{ kebabcase \"FirstName\" }} {{ camelcase \"http_server\" "
         "}}",
         "first_name first-name HttpServer"},
        {"{{ abbrev 5 \"hello world\" }} {{ initials \"First Try\" }} {{ plural \"one\" \"many\" 2 "
         "}} {{ swapcase \"aB\" }}",
         "he... FT many Ab"},
        {"{{ b64enc \"hello\" }} {{ b64dec \"aGVsbG8=\" }} {{ b32enc \"hi\" }} {{ sha256sum \"a\" "
         "| trunc 8 }} {{ adler32sum \"abc\" }}",
         "aGVsbG8= hello NBUQ==== ca978112 38600999"},
        {"{{ regexMatch \"^a+$\" \"aaa\" }} {{ regexReplaceAll \"a(x*)b\" \"-ab-axxb-\" \"${1}W\" "
         "}} {{ regexFind \"[0-9]+\" \"a12b\" }}",
         "true -W-xxW- 12"},
        {"{{ regexFindAll \"[2,4,6,8]\" \"123456789\" -1 }} {{ regexSplit \"z+\" \"pizza\" -1 }} "
         "{{ regexReplaceAllLiteral \"a\" \"aa\" \"$1\" }}",
         "[2 4 6 8] [pi a] $1$1"},
        {"{{ base \"a/b.txt\" }} {{ dir \"a/b.txt\" }} {{ ext \"a/b.txt\" }} {{ clean \"a//../b\" "
         "}} {{ isAbs \"/a\" }}",
         "b.txt a .txt b true"},
        {"{{ (urlParse \"https://u@h.io:80/p?q=1#f\").host }} {{ urlJoin (dict \"scheme\" \"http\" "
         "\"host\" \"h\" \"path\" \"/p\") }}",
         "h.io:80 http://h/p"},
        {"{{ wrap 5 \"aaa bbb ccc\" }} {{ html \"<a>\" }} {{ urlquery \"a b&\" }}",
         "aaa\nbbb\nccc &lt;a&gt; a+b%26"},
    };
    (void)state;
    CHECK(pairs);
}

static void lists_and_maps(void **state)
{
    static const struct pair pairs[] = {
        {"{{ $l := list 1 2 3 }}{{ first $l }}{{ last $l }}{{ rest $l }}{{ initial $l }}{{ append "
         "$l 4 }}{{ prepend $l 0 }}{{ $l }}",
         "13[2 3][1 2][1 2 3 4][0 1 2 3][1 2 3]"},
        {"{{ concat (list 1) (list 2 3) }} {{ reverse (list 1 2) }} {{ uniq (list 1 1 2) }} {{ "
         "without (list 1 2 3) 2 }} {{ has 2 (list 1 2) }}",
         "[1 2 3] [2 1] [1 2] [1 3] true"},
        {"{{ compact (list 0 1 \"\" \"a\") }} {{ chunk 2 (list 1 2 3) }} {{ slice (list 1 2 3 4) 1 "
         "3 }} {{ sortAlpha (list \"c\" \"a\") }}",
         "[1 a] [[1 2] [3]] [2 3] [a c]"},
        {"{{ $d := dict \"a\" 1 }}{{ $_ := set $d \"b\" 2 }}{{ $d }}{{ unset $d \"a\" }}{{ hasKey "
         "$d \"a\" }}{{ get $d \"b\" }}{{ get $d \"zz\" }}",
         "map[a:1 b:2]map[b:2]false2"},
        {"{{ keys .Values.map | sortAlpha | join \",\" }} {{ pick .Values.map \"x\" }} {{ omit "
         ".Values.map \"z\" }} {{ pluck \"x\" .Values.map (dict \"x\" 9) }}",
         "w,x,z map[x:1] map[w:two x:1] [1 9]"},
        {"{{ merge (dict \"a\" 1 \"n\" (dict \"x\" 1)) (dict \"a\" 2 \"b\" 3 \"n\" (dict \"x\" 2 "
         "\"y\" 3)) }}",
         "map[a:1 b:3 n:map[x:1 y:3]]"},
        {"{{ mergeOverwrite (dict \"a\" 1 \"n\" (dict \"x\" 1)) (dict \"a\" 2 \"n\" (dict \"y\" "
         "3)) }}",
         "map[a:2 n:map[x:1 y:3]]"},
        {"{{ dig \"z\" \"deep\" \"no\" .Values.map }} {{ dig \"q\" \"no\" .Values.map }} {{ "
         "deepEqual (list 1) (list 1) }} {{ values (dict \"a\" 1) }}",
         "true no true [1]"},
        {"{{ $c := deepCopy .Values.map }}{{ $_ := set $c \"x\" 5 }}{{ .Values.map.x }}", "1"},
        {"{{ tuple 1 \"a\" }} {{ index (dict \"a\" (list 5 6)) \"a\" 1 }}", "[1 a] 6"},
    };
    (void)state;
    CHECK(pairs);
}

static void yaml_and_json_are_printed_as_helm_prints_them(void **state)
{
    static const struct pair pairs[] = {
        {"{{ toYaml .Values.map }}", "w: two\nx: 1\nz:\n  deep: true"},
        {"{{ toYaml .Values.list }}", "- a\n- b\n- c"},
        {"{{ toYaml (dict \"l\" (list (dict \"a\" 1 \"b\" (list 2)) (list 3 4)) \"e\" (list) \"m\" "
         "(dict)) }}",
         "e: []\nl:\n- a: 1\n  b:\n  - 2\n- - 3\n  - 4\nm: {}"},
        {"{{ toYaml (list \"true\" \"12\" \"a: b\" \"a #b\" \"\" \" a\" \"null\" \"1e3\" "
         "\"2020-01-01\" \"0x1\" \"-\" \"- a\" \"*\" \"a'b\" \"y\") }}",
         "- \"true\"\n- \"12\"\n- 'a: b'\n- 'a #b'\n- \"\"\n- ' a'\n- \"null\"\n- \"1e3\"\n- "
         "\"2020-01-01\"\n- \"0x1\"\n- '-'\n- '- a'\n- '*'\n- a'b\n- \"y\""},
        {"{{ toYaml (dict \"t\" .Values.text \"k\" \"a\\nb\" \"s\" \" x\\ny\") }}",
         "k: |-\n  a\n  b\ns: |2-\n   x\n  y\nt: |\n  one\n  two"},
        {"{{ toYaml (dict \"t\" \"a \\nb\" \"tab\" \"a\\tb\" \"u\" \"é😀\") }}",
         "t: \"a \\nb\"\ntab: \"a\\tb\"\nu: \"é\\U0001F600\""},
        {"{{ toYaml (dict \"a10\" 1 \"a9\" 2 \"B\" 3 \"_\" 4) }}", "_: 4\nB: 3\na9: 2\na10: 1"},
        {"{{ toYaml .Values.big }} {{ toYaml 1.5 }} {{ toYaml 1e21 }} {{ toYaml nil }} {{ toYaml "
         "0.00001 }}",
         "1000000 1.5 1e+21 null 1e-05"},
        {"{{ toYaml "
         "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
         "bbbb cccc\" }}",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n  "
         "bbbb cccc"},
        {"{{ toJson (dict \"a\" \"<&>\" \"b\" (list 1 1.5 true nil)) }} {{ toRawJson \"<\" }}",
         "{\"a\":\"\\u003c\\u0026\\u003e\",\"b\":[1,1.5,true,null]} \"<\""},
        {"{{ toYamlPretty (dict \"l\" (list 1 (dict \"a\" (list 2 (list 3))))) }}",
         "l:\n  - 1\n  - a:\n      - 2\n      - - 3"},
        {"{{ toPrettyJson (dict \"a\" (list 1)) }}", "{\n  \"a\": [\n    1\n  ]\n}"},
        {"{{ (fromYaml \"a: [1, x]\\nb: 0o17\").a }} {{ (fromYaml \"a: [\").Error | trunc 27 }} {{ "
         "fromYamlArray \"- 1\\n- b\" }}",
         "[1 x] error converting YAML to JS [1 b]"},
        {"{{ (fromJson \"{\\\"a\\\": {\\\"b\\\": 1}}\").a.b }} {{ fromJsonArray \"[1, \\\"a\\\"]\" "
         "}}",
         "1 [1 a]"},
        {"{{ toToml (dict \"a\" \"x\" \"n\" 5 \"t\" (dict \"b\" true)) }}",
         "a = \"x\"\nn = 5\n\n[t]\n  b = true\n"},
    };
    (void)state;
    CHECK(pairs);
}

static void helm_objects(void **state)
{
    static const struct pair pairs[] = {
        {"{{ .Release.Name }} {{ .Release.Namespace }} {{ .Release.Service }} {{ "
         ".Release.IsInstall }} {{ .Release.Revision }}",
         "release-name default Helm true 1"},
        {"{{ .Chart.Name }} {{ .Chart.Version }} {{ .Chart.AppVersion }} {{ .Template.Name }} {{ "
         ".Template.BasePath }}",
         "demo 1.2.3 4.5 demo/templates/t.yaml demo/templates"},
        {"{{ .Capabilities.KubeVersion.Version }} {{ .Capabilities.KubeVersion.Major }} {{ "
         ".Capabilities.KubeVersion.Minor }} "
         "{{ .Capabilities.KubeVersion }} {{ .Capabilities.APIVersions.Has \"policy/v1\" }} {{ "
         ".Capabilities.APIVersions.Has \"x/v1\" }}",
         "v1.30.0 1 30 v1.30.0 true false"},
        {"{{ .Files.Get \"files/b.txt\" }}{{ .Files.Get \"absent\" }} {{ range .Files.Lines "
         "\"files/a.txt\" }}<{{ . }}>{{ end }}",
         "bravo <alpha><beta>"},
        {"{{ with \"b\" }}{{ $.Files.Get (printf \"files/%s.txt\" .) }}{{ end }}{{ with \"a\" }}{{ "
         "(index (list $) 0).Files.Get (printf \"files/%s.txt\" .) | trim | quote }}{{ end }}",
         "bravo\"alpha\\nbeta\""},
        {"{{ (.Files.Glob \"files/*\").AsConfig }}", "a.txt: |\n  alpha\n  beta\nb.txt: bravo"},
        {"{{ (.Files.Glob \"**/b.*\").AsSecrets }}", "b.txt: YnJhdm8="},
        {"{{ range $p, $b := .Files.Glob \"files/*\" }}{{ $p }}={{ len $b }} {{ end }}",
         "files/a.txt=11 files/b.txt=5 "},
        {"{{ lookup \"v1\" \"Pod\" \"\" \"\" }} {{ (lookup \"v1\" \"Secret\" \"a\" \"b\").data }}",
         "map[] "},
        {"{{ semverCompare \">=1.19-0\" .Capabilities.KubeVersion.Version }} {{ semverCompare "
         "\"^1.2.0\" \"1.9.0\" }} {{ semverCompare \"~1.2\" \"1.3.0\" }}",
         "true true false"},
        {"{{ semverCompare \"1.2 - 1.4.5 || >=3\" \"1.3.9\" }} {{ semverCompare \">1.0.0\" "
         "\"1.1.0-beta\" }} {{ (semver \"v1.2.3-a+b\").Minor }}",
         "true false 2"},
        {"{{ date \"2006-01-02\" (toDate \"2006-01-02\" \"2024-02-29\") }} {{ now | unixEpoch }} "
         "{{ dateInZone \"15:04 MST\" 0 \"UTC\" }}",
         "2024-02-29 1700000000 00:00 UTC"},
        {"{{ duration \"95\" }} {{ durationRound \"2h10m5s\" }} {{ (now | dateModify \"1h\").Unix "
         "}}",
         "1m35s 2h 1700003600"},
        {"{{ randAlphaNum 8 | len }} {{ uuidv4 | len }} {{ (genCA \"x\" 1).Cert | trunc 27 }}",
         "8 36 -----BEGIN CERTIFICATE-----"},
        {"{{ derivePassword 1 \"long\" \"password\" \"user\" \"example.com\" }}", "ZedaFaxcZaso9*"},
        {"{{ encryptAES \"key\" \"text\" | decryptAES \"key\" }} {{ htpasswd \"u\" \"p\" | trunc 9 "
         "}}",
         "text u:$2a$10$"},
    };
    (void)state;
    CHECK(pairs);
}

static void failures_are_worded_as_helm_words_them(void **state)
{
    static const struct pair pairs[] = {
        {"a\n{{ fail \"set .Values.x\" }}",
         "execution error at (demo/templates/t.yaml:2:3): set .Values.x"},
        {"{{ required \"x is needed\" .Values.absent }}",
         "execution error at (demo/templates/t.yaml:1:3): x is needed"},
        {"{{ .Values.absent.foo }}",
         "template: demo/templates/t.yaml:1:10: executing \"demo/templates/t.yaml\" at "
         "<.Values.absent.foo>: nil pointer evaluating interface {}.foo"},
        {"\n  {{ nosuch 1 }}",
         "parse error at (demo/templates/t.yaml:2:5): function \"nosuch\" not defined"},
        {"{{ if }}", "parse error at (demo/templates/t.yaml:1:6): missing value for if"},
        {"{{ range .Values.list }}", "parse error at (demo/templates/t.yaml:1:24): unexpected EOF"},
        {"{{ end }}", "parse error at (demo/templates/t.yaml:1:3): unexpected {{end}}"},
        {"{{ \"a }}", "parse error at (demo/templates/t.yaml:1:3): unterminated quoted string"},
        {"{{ trunc .Values.count \"a\" }}",
         "template: demo/templates/t.yaml:1:16: executing \"demo/templates/t.yaml\" at "
         "<.Values.count>: wrong type for value; expected int; got float64"},
        {"{{ eq .Values.count 3 }}",
         "template: demo/templates/t.yaml:1:3: executing \"demo/templates/t.yaml\" at "
         "<eq .Values.count 3>: error calling eq: incompatible types for comparison"},
        {"{{ include \"absent\" . }}",
         "template: demo/templates/t.yaml:1:3: executing \"demo/templates/t.yaml\" at <include "
         "\"absent\" .>: error calling "
         "include: template: no template \"absent\" associated with template \"gotpl\""},
        {"{{ $x }}", "parse error at (demo/templates/t.yaml:1:3): undefined variable \"$x\""},
        {"{{ .Chart.Nothing }}", "template: demo/templates/t.yaml:1:9: executing "
                                 "\"demo/templates/t.yaml\" at <.Chart.Nothing>: "
                                 "can't evaluate field Nothing in type interface {}"},
        {"{{ div 1 0 }}", "template: demo/templates/t.yaml:1:3: executing "
                          "\"demo/templates/t.yaml\" at <div 1 0>: error calling "
                          "div: runtime error: integer divide by zero"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char buf[2048];
        if (render_with(pairs[i].template, VALUES, NULL, buf, sizeof buf) != -EINVAL ||
            strcmp(buf, pairs[i].want))
            fail_msg("%s\n gives: %s\n  want: %s", pairs[i].template, buf, pairs[i].want);
    }
}

static void bombs_end_within_their_bounds(void **state)
{
    static const char *const bombs[] = {
        "{{ define \"r\" }}{{ include \"r\" . }}{{ end }}{{ include \"r\" . }}",
        "{{ define \"r\" }}{{ template \"r\" . }}{{ end }}{{ template \"r\" . }}",
        "{{ $t := \"{{ tpl .t . }}\" }}{{ tpl $t (dict \"t\" $t) }}",
        "{{ repeat 1073741824 \"a\" }}",
        "{{ range until 1000000000 }}{{ end }}",
        "{{ range 1000000000 }}{{ end }}",
        "{{ $s := \"aaaaaaaa\" }}{{ range 64 }}{{ $s = print $s $s }}{{ end }}",
        "{{ indent 2000000000 \"a\" }}",
        "{{ seq 1 1000000000 }}",
        "{{ fromYaml \"a: &a [x,x,x,x,x,x,x,x]\\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\\nc: &c "
        "[*b,*b,*b,*b,*b,*b,*b,*b]\\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\\n"
        "e: &e [*d,*d,*d,*d,*d,*d,*d,*d]\\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\\ng: &g "
        "[*f,*f,*f,*f,*f,*f,*f,*f]\\nh: [*g,*g,*g,*g]\" | toYaml | len | gt 100000 | required \"\" "
        "| fail }}",
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ toYaml $d }}",
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ printf \"%v\" $d }}",
        "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ deepCopy $d }}",
        "{{ regexMatch \"(a*)*b\" (repeat 5000 \"a\") | fail }}",
        "{{ randAlphaNum 2000000000 }}",
        "{{ printf \"%*d\" 2000000000 1 | len | fail }}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bombs / sizeof *bombs; i++) {
        char buf[1024];
        assert_true(render_with(bombs[i], VALUES, NULL, buf, sizeof buf) < 0);
        assert_true(strlen(buf) > 10);
    }
    char deep[200001];
    memset(deep, '(', sizeof deep - 1);
    memcpy(deep, "{{", 2);
    deep[sizeof deep - 1] = 0;
    char buf[1024];
    assert_true(render_with(deep, VALUES, NULL, buf, sizeof buf) < 0);
    for (size_t i = 0; i + 13 < sizeof deep; i += 12)
        memcpy(deep + i, "{{if true}}x", 12);
    assert_true(render_with(deep, VALUES, NULL, buf, sizeof buf) < 0);
}

static void set_values_have_types(void **state)
{
    static const struct {
        const char *set, *template, *want;
    } sets[] = {
        {"a.b=1,c=true", "{{ typeOf .Values.a.b }} {{ .Values.c }}", "int64 true"},
        {"l[0]=x,l[2]=y", "{{ toJson .Values.l }}", "[\"x\",null,\"y\"]"},
        {"l={a,2}", "{{ toJson .Values.l }}", "[\"a\",2]"},
        {"a=01,b=1.5,c=null", "{{ .Values.a }} {{ typeOf .Values.b }} {{ .Values.c }}",
         "01 string "},
        {"a\\.b=x\\,y", "{{ index .Values \"a.b\" }}", "x,y"},
        {"map.z.deep=no", "{{ .Values.map.z.deep }} {{ .Values.map.x }}", "no 1"},
        {"map=null", "{{ hasKey .Values \"map\" }}", "false"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        char buf[1024];
        assert_int_equal(render_with(sets[i].template, VALUES, sets[i].set, buf, sizeof buf), 0);
        assert_string_equal(buf, sets[i].want);
    }
    char buf[1024];
    assert_int_equal(render_with("x", VALUES, "a", buf, sizeof buf), -EINVAL);
    assert_int_equal(render_with("x", VALUES, "a[99999999]=1", buf, sizeof buf), -EINVAL);
}

static void rendered_lines_lead_back_to_the_template(void **state)
{
    static const char about[] = "apiVersion: v2\nname: demo\nversion: 1.2.3\n";
    static const char text[] = "{{- $x := 1 }}\na: 1\n{{- if true }}\nb: {{ 2 }}\n{{- end }}\n"
                               "{{ include \"long\" . }}\nc: 3\nd: {{ 4 }}\n";
    static const char helper[] = "{{ define \"long\" }}x: 1\ny: 2{{ end }}";
    static const size_t want[] = {1, 2, 4, 6, 6, 7, 8}; /* the first line is empty */
    const struct cf_chart_file files[] = {{"Chart.yaml", about, strlen(about)},
                                          {"templates/_h.tpl", helper, strlen(helper)},
                                          {"templates/t.yaml", text, strlen(text)}};
    struct cf_chart *chart cf_cleanup(cf_chart_free_ptr) = NULL;
    struct cf_rendering *rendering cf_cleanup(cf_rendering_free_ptr) = NULL;
    struct cf_error err = {0};
    (void)state;
    assert_int_equal(cf_chart_open_files(files, 3, &chart, &err), 0);
    assert_int_equal(cf_chart_render(chart, &(struct cf_render_options){0}, &rendering, &err), 0);
    assert_string_equal(cf_rendering_file(rendering, 0)->text,
                        "\na: 1\nb: 2\nx: 1\ny: 2\nc: 3\nd: 4\n");
    for (size_t i = 1; i < sizeof want / sizeof *want; i++)
        assert_int_equal(cf_rendering_line(rendering, 0, i + 1), want[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(actions_variables_and_scopes),
        cmocka_unit_test(truth_comparison_and_logic),
        cmocka_unit_test(numbers_print_as_go_prints_them),
        cmocka_unit_test(strings),
        cmocka_unit_test(lists_and_maps),
        cmocka_unit_test(yaml_and_json_are_printed_as_helm_prints_them),
        cmocka_unit_test(helm_objects),
        cmocka_unit_test(failures_are_worded_as_helm_words_them),
        cmocka_unit_test(set_values_have_types),
        cmocka_unit_test(rendered_lines_lead_back_to_the_template),
        cmocka_unit_test(bombs_end_within_their_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
