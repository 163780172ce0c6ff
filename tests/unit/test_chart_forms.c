/* SPDX-License-Identifier: Apache-2.0 */
/* The odd corners that charts of many publishers rest on; the expected texts follow Go 1.19's
 * text/template, Sprig 3.2 and go-yaml 2. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "chart_fixture.h"

static void words_are_cut_as_xstrings_cuts_them(void **state)
{
    static const struct pair pairs[] = {
        {"{{ snakecase \"FirstName\" }} {{ snakecase \"HTTPServer\" }} {{ snakecase \"no_https\" "
         "}} {{ snakecase \"GO PATH\" }} {{ snakecase \"GO-PATH\" }}",
         "first_name http_server no_https go_path go_path"},
        {"{{ snakecase \"http2xx\" }} {{ snakecase \"HTTP20xOK\" }} {{ snakecase \"Duration2m3s\" "
         "}} {{ snakecase \"Bld4Floor3rd\" }} {{ snakecase \" _-_ \" }} {{ snakecase \"a.B!c\" }}",
         "http_2xx http_20x_ok duration_2m3s bld4_floor_3rd _____ a.b!c"},
        {"{{ kebabcase \"HTTPServer2Go\" }} {{ kebabcase \"http2xx\" }} {{ kebabcase \"a_b c\" }} "
         "{{ kebabcase \"x1\" }} {{ kebabcase \"v2.10Beta3\" }}",
         "http-server2-go http-2xx a-b-c x1 v2.10-beta3"},
        {"{{ camelcase \"http_server\" }} {{ camelcase \"_camel_case\" }} {{ camelcase "
         "\"_complex__case_\" }} {{ camelcase \"GOLANG_IS_GREAT\" }} {{ camelcase \"all\" }} {{ "
         "camelcase \"a-b c\" }} {{ camelcase \"\" }}",
         "HttpServer _CamelCase _Complex_Case_ GolangIsGreat All ABC "},
        {"{{ wrap 20 \"the quick brown fox jumps over the lazy dog\" }} {{ wrap 4 \"aaaaaa bb\" }} "
         "{{ wrapWith 10 \"|\" \"aaaaaaaaaaaaaaaa bbb ccc\" }}",
         "the quick brown fox\njumps over the lazy\ndog aaaaaa\nbb aaaaaaaaaa|aaaaaa bbb|ccc"},
    };
    (void)state;
    CHECK(pairs);
}

static void printf_knows_the_verbs_of_Go(void **state)
{
    static const struct pair pairs[] = {
        {"{{ printf \"%#v\" .Values.map }} {{ printf \"%#v %#v %#v %#v\" \"a\" 1 1.5 (list 1 \"a\" "
         "nil) }} {{ printf \"%#v\" (splitList \",\" \"a,b\") }}",
         "map[string]interface {}{\"w\":\"two\", \"x\":1, \"z\":map[string]interface "
         "{}{\"deep\":true}} \"a\" 1 1.5 []interface {}{1, \"a\", interface {}(nil)} "
         "[]string{\"a\", \"b\"}"},
        {"{{ printf \"%+d %x %X %#x %o %#o %b %c %U %#U\" 5 255 255 255 8 8 5 65 65 65 }} {{ "
         "printf \"%q %+q %#q\" \"é\" \"é\" \"a\" }}",
         "+5 ff FF 0xff 10 010 101 A U+0041 U+0041 'A' \"é\" \"\\u00e9\" `a`"},
        {"{{ printf \"%e %E %g %G %.3g %8.2f|%-8.2f|%+.1f|%08.3f\" 1234.5678 1234.5678 1e10 1e10 "
         "1234.5678 3.14159 3.14159 3.14159 3.14159 }}",
         "1.234568e+03 1.234568E+03 1e+10 1E+10 1.23e+03     3.14|3.14    |+3.1|0003.142"},
        {"{{ printf \"%[2]d %[1]d\" 1 2 }} {{ printf \"%[3]d\" 1 }} {{ printf \"%*d|%-*d|\" 5 1 5 "
         "2 }} {{ printf \"%.*f\" 2 3.14159 }} {{ printf \"%05s|%5.1s|%.2s\" \"ab\" \"ab\" \"abc\" "
         "}}",
         "2 1 %!d(BADINDEX)     1|2    | 3.14 000ab|    a|ab"},
        {"{{ printf \"%d\" \"a\" }} {{ printf \"%s\" 1 }} {{ printf \"%d\" (list 1 2) }} {{ printf "
         "\"%!\" }} {{ printf \"%z\" 1 }} {{ printf \"%x % x %X\" \"abc\" \"abc\" \"abc\" }} {{ "
         "printf \"%v\" (dict \"b\" (list 1 (dict \"c\" nil))) }}",
         "%!d(string=a) %!s(int=1) [1 2] %!!(MISSING) %!z(int=1) 616263 61 62 63 616263 map[b:[1 "
         "map[c:<nil>]]]"},
    };
    (void)state;
    CHECK(pairs);
}

static void numbers_are_decimals_and_octals_as_in_Sprig(void **state)
{
    static const struct pair pairs[] = {
        {"{{ divf 10 4 3 }} {{ divf 1 3 }} {{ divf 10 4 }} {{ mulf 0.1 3 }} {{ addf 0.1 0.2 0.3 }} "
         "{{ subf 1 0.9 }} {{ round 123.555555 3 }} {{ round -1.5 0 }} {{ round 123.556 2 0.6 }}",
         "0.8333333333333333 0.3333333333333333 2.5 0.3 0.6 0.1 123.556 -2 123.56"},
        {"{{ toDecimal \"0777\" }} {{ toDecimal 777 }} {{ toDecimal \"9\" }} {{ atoi \"4x\" }} {{ "
         "int \"010\" }} {{ int64 \"0x1F\" }} {{ int \"1.5\" }} {{ int64 \"5000000000\" }} {{ int "
         "\"1e3\" }}",
         "511 511 0 0 8 31 0 5000000000 0"},
        {"{{ duration \"95\" }} {{ duration 95 }} {{ duration (int64 95) }} {{ durationRound "
         "\"2400h10m5s\" }}",
         "1m35s 0s 1m35s 3mo"},
    };
    (void)state;
    CHECK(pairs);
}

static void lists_and_maps_at_their_edges(void **state)
{
    static const struct pair pairs[] = {
        {"{{ rest (list) }} {{ initial (list) }} {{ first (list) }} {{ slice (list 1 2 3) 1 }} {{ "
         "without (splitList \",\" \"a,b\") \"a\" | toJson }} {{ has nil (list nil) }}",
         "[] []  [2 3] [\"b\"] true"},
        {"{{ merge (dict \"a\" \"\") (dict \"a\" \"x\") }} {{ merge (dict \"a\" false) (dict \"a\" "
         "true) }} {{ mergeOverwrite (dict \"a\" 1) (dict \"a\" nil) }} {{ mergeOverwrite (dict "
         "\"a\" \"x\") (dict \"a\" \"\") }} {{ mergeOverwrite (dict \"a\" (list 1 2)) (dict \"a\" "
         "(list)) }}",
         "map[a:x] map[a:true] map[a:<nil>] map[a:] map[a:[]]"},
        {"{{ mergeOverwrite (dict \"a\" (dict \"b\" 1)) (dict \"a\" \"x\") }} {{ mergeOverwrite "
         "(dict \"a\" \"x\") (dict \"a\" (dict \"b\" 1)) }} {{ merge (dict \"a\" \"x\") (dict "
         "\"a\" (dict \"b\" 1)) }} {{ merge (dict) (dict \"a\" 1) (dict \"a\" 2 \"b\" 2) }}",
         "map[a:x] map[a:x] map[a:x] map[a:1 b:2]"},
        {"{{ $a := dict \"x\" (dict \"y\" 1) }}{{ $b := merge (dict) $a }}{{ $_ := set $b.x \"y\" "
         "2 }}{{ $a.x.y }} {{ pick nil \"a\" }} {{ omit nil \"a\" }} {{ merge nil (dict) }} {{ "
         "keys nil }} {{ hasKey nil \"x\" }}",
         "2 map[] map[] map[] [] false"},
        {"{{ (semver \"1.2.3\").IncMinor }} {{ (semver \"v1.2.3-a\").IncPatch }} {{ (semver "
         "\"1.2.3\").IncMajor }} {{ (semver \"1.2.3\").LessThan (semver \"1.2.4\") }} {{ semver "
         "\"1.2.3-alpha.1+123\" }}",
         "1.3.0 1.2.3 2.0.0 true 1.2.3-alpha.1+123"},
    };
    (void)state;
    CHECK(pairs);
}

static void nothing_is_told_from_empty(void **state)
{
    static const struct pair pairs[] = {
        {"{{ .Values.map.nope }}|{{ (.Values.nope).x }}|{{ (((.Values.x).y).z).w | quote }}|{{ "
         "with (.Values.x).y }}{{ . }}{{ else }}e{{ end }}|{{ range (.Values.nope).items }}x{{ "
         "else }}none{{ end }}",
         "|||e|none"},
        {"{{ .Values.nope | toYaml }} {{ .Values.nope | toJson }} {{ .Values.nope | quote }}| {{ "
         "list .Values.nope | toJson }} {{ printf \"%v\" .Values.nope }} {{ join \",\" "
         ".Values.nope }} {{ .Values.nope | toString }} {{ kindOf .Values.nope }} {{ typeOf nil }}",
         "null null | [null] <nil>  <nil> invalid <nil>"},
        {"{{ (lookup \"v1\" \"Secret\" \"a\" \"b\").data }}|{{ dig \"data\" \"key\" \"none\" "
         "(lookup \"v1\" \"Secret\" \"a\" \"b\") }}|{{ if (lookup \"v1\" \"Secret\" \"a\" \"b\") "
         "}}y{{ else }}n{{ end }}|{{ (lookup \"v1\" \"x\" \"\" \"\").items }}",
         "|none|n|"},
        {"{{ and (hasKey .Values \"nope\") .Values.nope.x }} {{ or .Values.name .Values.nope.x }} "
         "{{ coalesce .Values.nope .Values.none .Values.empty .Values.name }} {{ default (dict) "
         ".Values.nope | len }}",
         "false web web 0"},
    };
    (void)state;
    CHECK(pairs);
}

static void text_goes_through_yaml_and_back(void **state)
{
    static const struct pair pairs[] = {
        {"{{ toYaml (list \"<<\" \"=\" \"2020-1-1\" \"2020-01-01\" \"1:30\" \"::1\" \"8080:80\" "
         "\"0o7\" \"08\" \"1_0\" \"1E5\" \"+\" \".\" \"~\" \"y\" \"1.2.3\") }}",
         "- <<\n- =\n- \"2020-1-1\"\n- \"2020-01-01\"\n- \"1:30\"\n- ::1\n- 8080:80\n- \"0o7\"\n- "
         "\"08\"\n- \"1_0\"\n- \"1E5\"\n- +\n- .\n- \"~\"\n- \"y\"\n- 1.2.3"},
        {"{{ toYaml (dict \"script.sh\" \"#!/bin/sh\\nset -e\\n\\nif [ -f x ]; then\\n  echo "
         "\\\"y\\\"\\nfi\\n\" \"x\" \"  lead\\nb\\n\" \"y\" \"a \\nb\" \"z\" \"a\\n\\n\\n\") }}",
         "script.sh: |\n  #!/bin/sh\n  set -e\n\n  if [ -f x ]; then\n    echo \"y\"\n  fi\nx: "
         "|2\n    lead\n  b\n\"y\": \"a \\nb\"\nz: |+\n  a\n\n"},
        {"{{ toYaml (dict \"yu\" 1 \"😀Y\" 2 \"B\" 3 \"a10\" 4 \"a9\" 5 \"true\" 6 \"1\" 7 \"\" 8 "
         "\"a: b\" 9) }}",
         "\"\": 8\n\"\\U0001F600Y\": 2\n\"1\": 7\nB: 3\n'a: b': 9\na9: 5\na10: 4\n\"true\": 6\nyu: "
         "1"},
        {"{{ toYaml (dict \"s\" \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
         "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb ccccccccccccccccccccccccccc dddddddddd\" \"q\" "
         "\"a: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb "
         "ccccccccccccccccccccccccccccc ddd\") }}",
         "q: 'a: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n  "
         "ccccccccccccccccccccccccccccc ddd'\ns: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa "
         "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb ccccccccccccccccccccccccccc\n  dddddddddd"},
        {"{{ toYaml -0.0 }} {{ toYaml (float64 \"inf\") }}|{{ toJson (float64 \"nan\") }}|{{ "
         "toYaml 1e100 }} {{ toYaml 123456789.5 }} {{ toJson 1e-7 }} {{ toJson 1e20 }}",
         "0 ||1e+100 1.234567895e+08 1e-7 100000000000000000000"},
        {"{{ fromYaml \"a: 0644\\nb: yes\\nc: 2020-01-01\\nd: 1:30\\ne: !!int \\\"5\\\"\\nf: "
         "!!binary aGk=\\ng: 1_000\\nh: .5\\ni: ~\" | toJson }}",
         "{\"a\":420,\"b\":true,\"c\":\"2020-01-01\",\"d\":\"1:30\",\"e\":5,\"f\":\"hi\",\"g\":"
         "1000,\"h\":0.5,\"i\":null}"},
        {"{{ fromYaml \"a: &x {b: 1}\\nc: *x\\nd: {<<: *x, e: 2}\" | toJson }} {{ fromYaml \"1: "
         "x\\ntrue: y\\n1.5: z\" | toJson }} {{ fromYaml \"- a\" }} {{ fromYamlArray \"\" }} {{ "
         "fromYaml \"a: 1\\n---\\nb: 2\" | toJson }}",
         "{\"a\":{\"b\":1},\"c\":{\"b\":1},\"d\":{\"b\":1,\"e\":2}} "
         "{\"1\":\"x\",\"1.5\":\"z\",\"true\":true} map[Error:error unmarshaling JSON: while "
         "decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface "
         "{}] [] {\"a\":1}"},
        {"{{ toToml (dict \"a\" (list 1 2) \"b\" (list \"x\") \"c\" (dict \"d\" (dict \"e\" 1.5 "
         "\"f\" true)) \"g\" (list (dict \"h\" 1) (dict \"i\" 2))) }}{{ toToml (list 1) }}",
         "a = [1, 2]\nb = [\"x\"]\n\n[c]\n  [c.d]\n    e = 1.5\n    f = true\n\n[[g]]\n  h = "
         "1\n\n[[g]]\n  i = 2\ntoml: top-level values must be Go maps or structs"},
        {"{{ b64dec \"YQ\" }} {{ b64dec \"!!\" }} {{ b64dec \"aGVsbG8gd29ybGQ=\" }} {{ b32dec "
         "\"NBSWY3DP\" }}",
         "illegal base64 data at input byte 0 illegal base64 data at input byte 0 hello world "
         "hello"},
    };
    (void)state;
    CHECK(pairs);
}

static void what_is_not_there_is_escaped(void **state)
{
    static const struct pair pairs[] = {
        {"{{ .Values.nope | urlquery }} {{ .Values.nope | html }} {{ .Values.nope | js }} {{ "
         "urlquery "
         "\"a\" 1 nil }}",
         "%3Cno+value%3E &lt;no value&gt; \\u003Cno value\\u003E a1%3Cno+value%3E"},
        {"{{ toYaml (list \"2001-12-14 21:59:43\" \"2001-12-14 21:59:43 -5\" "
         "\"2001-12-15T02:59:43.1Z\" \"2001-12-15T02:59:43\") }}",
         "- \"2001-12-14 21:59:43\"\n- 2001-12-14 21:59:43 -5\n- "
         "\"2001-12-15T02:59:43.1Z\"\n- 2001-12-15T02:59:43"},
    };
    (void)state;
    CHECK(pairs);
}

static void charts_of_others_write(void **state)
{
    static const struct pair pairs[] = {
        {"{{- $k := \"a.b\" }}{{- $o := dict \"a\" (dict \"b\" \"deep\") }}{{- $v := \"\" }}{{- "
         "range splitList \".\" $k }}{{- $v = index $o . }}{{- $o = $v }}{{- end }}{{ $v }}",
         "deep"},
        {"{{ define \"tv\" }}{{ if typeIs \"string\" .value }}{{ tpl .value .context }}{{ else "
         "}}{{ tpl (.value | toYaml) .context }}{{ end }}{{ end }}{{ include \"tv\" (dict "
         "\"value\" .Values.tpl \"context\" $) }} {{ include \"tv\" (dict \"value\" .Values.list "
         "\"context\" $) }}",
         "web-release-name - a\n- b\n- c"},
        {"{{ range $i, $e := until (.Values.count | int) }}{{ printf \"%s-%d\" $.Values.name $i "
         "}}{{ if ne $i (sub (int $.Values.count) 1 | int) }},{{ end }}{{ end }}",
         "web-0,web-1,web-2"},
        {"{{ \"docker.io/bitnami/redis:7.0@sha256:abc\" | splitList \"@\" | first | splitList "
         "\":\" | last }} {{ $p := splitn \":\" 2 \"a:b:c\" }}{{ $p._1 }} {{ regexReplaceAll "
         "\"(.*):(.*)\" \"a:b\" \"${2}-${1}\" }} {{ regexFind \"[^:/]+$\" \"x/y:1\" }}",
         "7.0 b:c b-a 1"},
        {"{{ semverCompare \">= 1.20.0-0 < 1.31.0-0\" \"1.30.0\" }} {{ semverCompare \">=1.19.0\" "
         "\"1.27.3-eks-a5565ad\" }} {{ semverCompare \">=1.19.0-0\" \"1.27.3-eks-a5565ad\" }} {{ "
         "semverCompare \"^0.0.3\" \"0.0.4\" }} {{ semverCompare \"1 - 2\" \"1.5\" }} {{ "
         "semverCompare \"!=1.x\" \"2.0\" }} {{ semverCompare \">1\" \"1.5\" }} {{ semverCompare "
         "\"<=1\" \"1.5\" }}",
         "true false true false true true false true"},
        {"{{ range $k, $v := .Values.map }}{{ if kindIs \"map\" $v }}{{ range $kk, $vv := $v }}{{ "
         "$k }}.{{ $kk }}={{ $vv }}{{ end }}{{ else }}{{ $k }}={{ $v }}{{ end }} {{ end }}{{ tpl "
         "\"{{ tpl .Values.tpl . }}\" . }}",
         "w=two x=1 z.deep=true web-release-name"},
    };
    (void)state;
    CHECK(pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_cut_as_xstrings_cuts_them),
        cmocka_unit_test(printf_knows_the_verbs_of_Go),
        cmocka_unit_test(numbers_are_decimals_and_octals_as_in_Sprig),
        cmocka_unit_test(lists_and_maps_at_their_edges),
        cmocka_unit_test(nothing_is_told_from_empty),
        cmocka_unit_test(text_goes_through_yaml_and_back),
        cmocka_unit_test(what_is_not_there_is_escaped),
        cmocka_unit_test(charts_of_others_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
