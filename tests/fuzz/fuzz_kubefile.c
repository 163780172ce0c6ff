/* SPDX-License-Identifier: Apache-2.0 */
/* Any text is a Kubefile or is refused with one line that names a place in it; the parts of what
 * was read lie in order, and its words split or are refused. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/kubefile.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static const char *look_up(void *context, const char *name, size_t len)
{
    (void)context;
    return len % 2 ? name[0] == 'x' ? "" : "value" : NULL;
}

static void check(const struct cf_kubefile *kubefile,
                  const struct cf_kubefile_instruction *instruction)
{
    struct cf_kubefile_words words = {0};
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    size_t len = strlen(instruction->text), offset = 0, before = 0;

    must(len > 0 && instruction->line > 0 && cf_kubefile_word_name(instruction->word));
    for (size_t i = 0; i < instruction->place_count; i++) {
        must(instruction->places[i].offset >= before && instruction->places[i].line > 0);
        before = instruction->places[i].offset;
    }
    must(cf_kubefile_fail(kubefile, instruction, len, &err, -1, "x") == -1 && err.text[0]);
    if (cf_kubefile_split(instruction->text, kubefile->escape, look_up, NULL, &words, &offset,
                          &err) < 0)
        must(offset <= len);
    for (size_t i = 0; i < words.count; i++)
        must(words.list[i].text && words.list[i].offset < len);
    cf_kubefile_words_done(&words);
    (void)cf_kubefile_expand(instruction->text, len, kubefile->escape, look_up, NULL, &text, &err);
    (void)cf_kubefile_array(instruction->text, &words);
    cf_kubefile_words_done(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cf_kubefile *kubefile = NULL;
    struct cf_error err = {0};

    if (cf_kubefile_parse("K", data, len, &kubefile, &err) < 0) {
        must(err.code < 0 && err.text[0] && !strchr(err.text, '\n'));
        return 0;
    }
    must(kubefile->count > 0);
    for (size_t i = 0; i < kubefile->count; i++)
        check(kubefile, &kubefile->list[i]);
    cf_kubefile_free(kubefile);
    return 0;
}
