/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cloudfs/pipeline.h>

/* A deadlock must fail, not hang: the alarm ends the program. */
static int limit_time(void **state)
{
    (void)state;
    (void)alarm(60);
    return 0;
}

static struct cf_chunk *numbered(size_t number)
{
    struct cf_chunk *chunk = NULL;
    assert_int_equal(cf_chunk_new(sizeof(number), &chunk), 0);
    memcpy(chunk->data, &number, sizeof(number));
    chunk->len = sizeof(number);
    return chunk;
}

static size_t number_of(const struct cf_chunk *chunk)
{
    size_t number;
    memcpy(&number, chunk->data, sizeof(number));
    return number;
}

static void a_chunk_lives_until_its_last_reference(void **state)
{
    struct cf_chunk *chunk = numbered(42);
    (void)state;
    assert_int_equal((uintptr_t)chunk->data % 64, 0);
    assert_ptr_equal(cf_chunk_ref(chunk), chunk);
    cf_chunk_unref(chunk);
    assert_int_equal(number_of(chunk), 42);
    cf_chunk_unref(chunk);
    cf_chunk_unref(NULL);
    assert_int_equal(cf_chunk_new(SIZE_MAX - 10, &chunk), -ENOMEM);
}

static void a_pool_gives_a_chunk_again_when_nobody_uses_it(void **state)
{
    struct cf_chunk_pool pool = {{NULL}};
    struct cf_chunk *one = NULL, *two = NULL, *more[CF_CHUNK_POOL_MAX + 1] = {NULL};
    (void)state;
    assert_int_equal(cf_chunk_pool_get(&pool, 100, &one), 0);
    assert_int_equal(cf_chunk_pool_get(&pool, 100, &two), 0);
    assert_ptr_not_equal(one, two);
    one->len = 7;
    struct cf_chunk *again = one;
    cf_chunk_unref(one);
    assert_int_equal(cf_chunk_pool_get(&pool, 100, &one), 0);
    assert_ptr_equal(one, again);
    assert_int_equal(one->len, 0);
    for (size_t i = 0; i < CF_COUNT(more); i++)
        assert_int_equal(cf_chunk_pool_get(&pool, 100, &more[i]), 0);
    cf_chunk_pool_done(&pool);
    memset(two->data, 1, 100);
    for (size_t i = 0; i < CF_COUNT(more); i++)
        cf_chunk_unref(more[i]);
    cf_chunk_unref(one);
    cf_chunk_unref(two);
}

struct job {
    struct cf_queue *in, *out;
    size_t count, sum;
    int status;
};

/* Pops from in, adds up, pushes on to out if there is one; ends as every stage should. */
static void *stage(void *arg)
{
    struct job *job = arg;
    struct cf_chunk *chunk;
    int r;
    while ((r = cf_queue_pop(job->in, &chunk)) > 0) {
        job->count++;
        job->sum += number_of(chunk);
        if (!job->out)
            cf_chunk_unref(chunk);
        else if ((r = cf_queue_push(job->out, chunk)) < 0)
            break;
    }
    cf_queue_close(job->in, r);
    job->status = r;
    return NULL;
}

static void many_threads_get_each_chunk_once(void **state)
{
    enum { THREADS = 3, CHUNKS = 3000 };
    struct cf_queue *first cf_cleanup(cf_queue_free_ptr) = NULL;
    struct cf_queue *second cf_cleanup(cf_queue_free_ptr) = NULL;
    struct job middle[THREADS] = {0}, last = {0};
    pthread_t threads[THREADS], end;
    size_t passed = 0;
    (void)state;
    assert_int_equal(cf_queue_new(2, &first), 0);
    assert_int_equal(cf_queue_new(1, &second), 0);
    for (int i = 0; i < THREADS; i++) {
        middle[i] = (struct job){.in = first, .out = second};
        assert_int_equal(cf_thread_start(&threads[i], stage, &middle[i]), 0);
    }
    last.in = second;
    assert_int_equal(cf_thread_start(&end, stage, &last), 0);
    for (size_t i = 1; i <= CHUNKS; i++)
        assert_int_equal(cf_queue_push(first, numbered(i)), 0);
    cf_queue_close(first, 0);
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(middle[i].status, 0);
        passed += middle[i].count;
    }
    cf_queue_close(second, 0);
    (void)pthread_join(end, NULL);
    assert_int_equal(passed, CHUNKS);
    assert_int_equal(last.count, CHUNKS);
    assert_int_equal(last.sum, (size_t)CHUNKS * (CHUNKS + 1) / 2);
}

static void chunks_keep_their_order(void **state)
{
    struct cf_queue *queue cf_cleanup(cf_queue_free_ptr) = NULL;
    struct cf_chunk *chunk;
    (void)state;
    assert_int_equal(cf_queue_new(3, &queue), 0);
    for (size_t i = 0; i < 100; i++) {
        assert_int_equal(cf_queue_push(queue, numbered(2 * i)), 0);
        assert_int_equal(cf_queue_push(queue, numbered(2 * i + 1)), 0);
        for (size_t k = 0; k < 2; k++) {
            assert_int_equal(cf_queue_pop(queue, &chunk), 1);
            assert_int_equal(number_of(chunk), 2 * i + k);
            cf_chunk_unref(chunk);
        }
    }
    assert_int_equal(cf_queue_push(queue, numbered(7)), 0);
    cf_queue_close(queue, 0);
    assert_int_equal(cf_queue_push(queue, numbered(8)), -EPIPE);
    assert_int_equal(cf_queue_pop(queue, &chunk), 1);
    assert_int_equal(number_of(chunk), 7);
    cf_chunk_unref(chunk);
    assert_int_equal(cf_queue_pop(queue, &chunk), 0);
}

static void *push_for_ever(void *arg)
{
    struct job *job = arg;
    while ((job->status = cf_queue_push(job->out, numbered(1))) == 0)
        job->count++;
    return NULL;
}

static void a_reader_that_fails_stops_a_writer_that_waits(void **state)
{
    struct cf_queue *queue cf_cleanup(cf_queue_free_ptr) = NULL;
    struct job writer = {0};
    struct cf_chunk *chunk;
    pthread_t thread;
    (void)state;
    assert_int_equal(cf_queue_new(2, &queue), 0);
    writer.out = queue;
    assert_int_equal(cf_thread_start(&thread, push_for_ever, &writer), 0);
    assert_int_equal(cf_queue_pop(queue, &chunk), 1);
    cf_chunk_unref(chunk);
    (void)nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    cf_queue_close(queue, -ENOSPC);
    cf_queue_close(queue, -EIO); /* the first failure stays */
    cf_queue_close(queue, 0);
    (void)pthread_join(thread, NULL);
    assert_int_equal(writer.status, -ENOSPC);
    assert_in_range(writer.count, 1, 3);
    assert_int_equal(cf_queue_pop(queue, &chunk), -ENOSPC);
}

static void a_writer_that_fails_stops_a_reader_that_waits(void **state)
{
    struct cf_queue *queue cf_cleanup(cf_queue_free_ptr) = NULL;
    struct job reader = {0};
    pthread_t thread;
    (void)state;
    assert_int_equal(cf_queue_new(4, &queue), 0);
    reader.in = queue;
    assert_int_equal(cf_thread_start(&thread, stage, &reader), 0);
    assert_int_equal(cf_queue_push(queue, numbered(5)), 0);
    cf_queue_close(queue, 0);
    cf_queue_close(queue, -EBADMSG); /* a failure after the end still counts */
    (void)pthread_join(thread, NULL);
    assert_true(reader.status == -EBADMSG || (reader.status == 0 && reader.sum == 5));
    assert_int_equal(cf_queue_push(queue, numbered(6)), -EBADMSG);
}

static void the_async_hasher_gives_the_digest_of_all_pieces(void **state)
{
    struct cf_async_hasher *async cf_cleanup(cf_async_hasher_free_ptr) = NULL;
    struct cf_hasher *plain cf_cleanup(cf_hasher_free_ptr) = NULL;
    struct cf_digest got, want;
    (void)state;
    assert_int_equal(cf_async_hasher_start(3, &async), 0);
    assert_int_equal(cf_hasher_new(&plain), 0);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < 500; i++) {
            struct cf_chunk *chunk = NULL;
            assert_int_equal(cf_chunk_new(1000, &chunk), 0);
            chunk->len = 1000;
            memset(chunk->data, (int)(i + (size_t)round), 1000);
            cf_async_hasher_add(async, chunk, i, 1000 - i);
            cf_hasher_update(plain, chunk->data + i, 1000 - i);
            cf_chunk_unref(chunk);
        }
        cf_async_hasher_final(async, &got);
        cf_hasher_final(plain, &want);
        assert_true(cf_digest_equal(&got, &want));
    }
    cf_async_hasher_final(async, &got);
    cf_digest_of("", 0, &want);
    assert_true(cf_digest_equal(&got, &want));
}

static void an_async_hasher_is_dropped_in_the_middle(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        struct cf_async_hasher *async = NULL;
        assert_int_equal(cf_async_hasher_start(8, &async), 0);
        for (size_t k = 0; k < (size_t)i % 9; k++) {
            struct cf_chunk *chunk = numbered(k);
            cf_async_hasher_add(async, chunk, 0, chunk->len);
            cf_chunk_unref(chunk);
        }
        cf_async_hasher_free(async);
    }
}

static void *tell_mask(void *arg)
{
    (void)pthread_sigmask(SIG_SETMASK, NULL, arg);
    return NULL;
}

static void threads_leave_signals_to_the_program(void **state)
{
    sigset_t theirs, ours;
    pthread_t thread;
    (void)state;
    assert_int_equal(cf_thread_start(&thread, tell_mask, &theirs), 0);
    (void)pthread_join(thread, NULL);
    assert_int_equal(sigismember(&theirs, SIGTERM), 1);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &ours);
    assert_int_equal(sigismember(&ours, SIGTERM), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_chunk_lives_until_its_last_reference),
        cmocka_unit_test(a_pool_gives_a_chunk_again_when_nobody_uses_it),
        cmocka_unit_test(many_threads_get_each_chunk_once),
        cmocka_unit_test(chunks_keep_their_order),
        cmocka_unit_test(a_reader_that_fails_stops_a_writer_that_waits),
        cmocka_unit_test(a_writer_that_fails_stops_a_reader_that_waits),
        cmocka_unit_test(the_async_hasher_gives_the_digest_of_all_pieces),
        cmocka_unit_test(an_async_hasher_is_dropped_in_the_middle),
        cmocka_unit_test(threads_leave_signals_to_the_program),
    };
    return cmocka_run_group_tests(tests, limit_time, NULL);
}
