import Testing

@testable import Execution

/// A timer whose laps and clock are given.
private final class SyntheticTimer {
    var now = 0.0
    var laps: [Lap]
    private(set) var made = 0
    init(_ laps: [Lap]) { self.laps = laps }

    func lap() -> Lap {
        let one = laps[made % laps.count]
        made += 1
        now += one.seconds
        return one
    }
}

struct StopRuleTests {
    @Test func intervalOfTheMedianBySortedRanks() {
        // n = 100, q = 0.5: ranks 50 -+ 9.8, so elements 40 and 60 of 1...100: values 41 and 61; half width 10 over the median 50.5.
        let sorted = (1...100).map(Double.init)
        #expect(abs(StopRule().relativeHalfWidth(sorted) - 10 / 50.5) < 1e-12)
        // The tenth percentile: ranks 10 -+ 5.88: elements 4 and 16, values 5 and 17; the quantile lies at 9.9: 10.9.
        var low = StopRule()
        low.quantile = 0.1
        #expect(abs(low.relativeHalfWidth(sorted) - 6 / 10.9) < 1e-12)
        #expect(StopRule().relativeHalfWidth([1]) == .infinity)
    }

    @Test func equalLapsStopAtTheLeastNumber() throws {
        let timer = SyntheticTimer([Lap(seconds: 0.001)])
        let repeats = try #require(Repeats(StopRule(), clock: { timer.now }, lap: timer.lap))
        #expect(repeats.count == 7 && repeats.isSettled && repeats.spread < 1e-9 && repeats.seconds == 0.001)
    }

    @Test func noisyLapsGoOnUntilTheIntervalIsNarrowOrTimeIsUp() throws {
        // Laps spread evenly over 0.9 to 1.1 ms: the half width is about 0.98 x 0.2 / sqrt(n) relative, below 1 % near n = 400 only.
        let laps = (0..<1000).map { Lap(seconds: 0.0009 + 0.0002 * Double(($0 * 377) % 1000) / 1000) }
        var rule = StopRule()
        rule.most = 5000
        rule.seconds = 100
        let settled = try #require(Repeats(rule, clock: { 0 }, lap: SyntheticTimer(laps).lap))
        #expect(settled.isSettled && (200...600).contains(settled.count))
        rule.seconds = 0.02
        let timer = SyntheticTimer(laps)
        let cut = try #require(Repeats(rule, clock: { timer.now }, lap: timer.lap))
        // 0.02 s of laps of 1 ms on average.
        #expect(!cut.isSettled && (18...23).contains(cut.count))
    }

    @Test func disturbedLapsDoNotCountUnlessNothingElseIsLeft() throws {
        // Every third lap lasts tenfold and is disturbed: the median stays 1 ms, the spread 0.
        let laps = [Lap(seconds: 0.001), Lap(seconds: 0.001), Lap(seconds: 0.01, isDisturbed: true)]
        let timer = SyntheticTimer(laps)
        let repeats = try #require(Repeats(StopRule(), clock: { timer.now }, lap: timer.lap))
        #expect(repeats.seconds == 0.001 && repeats.spread < 1e-9 && repeats.disturbed == 3 && repeats.p99 == 0.001)
        // All disturbed: they are all there is.
        var rule = StopRule()
        rule.seconds = 0.05
        let all = SyntheticTimer([Lap(seconds: 0.01, isDisturbed: true)])
        let rough = try #require(Repeats(rule, clock: { all.now }, lap: all.lap))
        #expect(rough.seconds == 0.01 && !rough.isSettled)
    }

    @Test func aTimerThatStandsStillEnds() {
        // No lap takes time and the clock stands: the limit on laps ends it, without a result.
        #expect(Repeats(StopRule(), clock: { 0 }, lap: { Lap(seconds: 0) }) == nil)
    }

    @Test func operandsOfDifferentSpeedCountByTheirMiddle() throws {
        // Three sets of operands at 1, 2 and 9 ms without any noise: the median 2 ms, the spread that between them, sqrt(19) / 2 relative.
        let parts = try [0.001, 0.002, 0.009].map { seconds in
            try #require(Repeats(StopRule(), clock: { 0 }, lap: { Lap(seconds: seconds) }))
        }
        let merged = try #require(Repeats(merging: parts))
        #expect(merged.seconds == 0.002 && merged.p99 == 0.009 && merged.count == 21 && merged.isSettled)
        #expect(abs(merged.spread - 19.0.squareRoot() / 2) < 1e-9)
        #expect(Repeats(merging: []) == nil)
        // Eight sets: the two fastest and the two slowest do not count, the mean of 3, 4, 5 and 6 ms does: 4.5 ms.
        let many = try [8, 1, 3, 5, 2, 6, 4, 70].map { milliseconds in
            try #require(Repeats(StopRule(), clock: { 0 }, lap: { Lap(seconds: milliseconds * 1e-3) }))
        }
        #expect(abs(try #require(Repeats(merging: many)).seconds - 0.0045) < 1e-12)
    }
}
