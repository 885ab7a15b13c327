import Glibc

/// Clocks of the calling thread, without Foundation.
enum Clocks {
    /// Monotonic seconds.
    static func wall() -> Double { seconds(CLOCK_MONOTONIC) }
    /// Seconds that the calling thread has computed: does not run while the thread waits for a core.
    static func thread() -> Double { seconds(CLOCK_THREAD_CPUTIME_ID) }

    private static func seconds(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    /// How often the calling thread lost its core to another since it began.
    static func preemptions() -> Int {
        var usage = rusage()
        // 1 is RUSAGE_THREAD, which the Swift overlay does not name.
        getrusage(1, &usage)
        return usage.ru_nivcsw
    }

    /// Today, YYYY-MM-DD, local time.
    static func today() -> String {
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
    }
}
