import Engine
import Lifetime
import Testing

@Suite("Detectors of shifts in streams")
struct MonitorTests {
    @Test("The chain's run length is the simulated one")
    func runLength() {
        let threshold = CumulativeSum.threshold(allowance: 0.5, runLength: 2000)
        var draws = RandomStream(seed: 3, purpose: "monitor")
        var total = 0
        let runs = 400
        for _ in 0..<runs {
            var sum = CumulativeSum(allowance: 0.5, threshold: threshold)
            repeat { total += 1 } while !sum.take(draws.normal())
        }
        // Run lengths are nearly exponential: standard error mean / sqrt(runs).
        #expect(abs(Double(total) / Double(runs) - 2000) < 3 * 2000 / 20)
    }

    @Test("Thresholds for 0.2 false alarms a day over 300 metrics of 1,024 GPUs, and over their step times alone")
    func thresholds() {
        let many = 307_200 * 86_400 / 0.2
        #expect(abs(CumulativeSum.threshold(allowance: 0.5, runLength: many) - 23.8) < 0.5)
        #expect(abs(CumulativeSum.threshold(allowance: 1.25, runLength: 1024 * 86_400 / 0.2) - 7.3) < 0.25)
    }

    /// Mean samples from the onset of a slowdown to the alarm, at 2 % jitter.
    private func delay(_ detector: ShiftDetector, slowdown: Double, heavy: Bool) -> Double {
        var draws = RandomStream(seed: 5, purpose: "delay")
        func jitter() -> Double {
            guard heavy else { return draws.normal() }
            // t with five degrees of freedom: a normal over the root of a chi-square over 5.
            let normal = draws.normal()
            return normal / (draws.gamma(shape: 2.5, scale: 2) / 5).squareRoot() * (3.0 / 5).squareRoot()
        }
        let shift = (slowdown - 1) / 0.02
        var total = 0
        let windows = 400
        for _ in 0..<windows {
            var own = detector
            for _ in 0..<60 { _ = own.take(jitter()) }
            var count = 0
            repeat { count += 1 } while !own.take(jitter() * slowdown + shift) && count < 500
            total += count
        }
        return Double(total) / Double(windows)
    }

    @Test("Slowdowns are found in seconds, at one sample a second")
    func delays() {
        let gaussian = ShiftDetector(streams: 307_200)
        #expect(delay(gaussian, slowdown: 1.05, heavy: false) <= 9)
        #expect(delay(gaussian, slowdown: 1.1, heavy: false) <= 3)
        #expect(delay(gaussian, slowdown: 1.2, heavy: false) <= 1.5)
        let heavy = ShiftDetector(streams: 307_200, jitter: .student5)
        #expect(delay(heavy, slowdown: 1.1, heavy: true) <= 6)
        #expect(delay(heavy, slowdown: 1.2, heavy: true) <= 6)
    }

    @Test("BLOOM's slow node, +1.0, +4.8, +5.7 % of step time, is found within three steps")
    func bloom() {
        // A step time of the whole job scatters by 0.3 %: one stream, a sample a step of 105 s.
        var detector = ShiftDetector(streams: 1, period: 105.17)
        let healthy = 105.17
        var alarm = 0
        for (index, seconds) in [106.25, 110.17, 111.14].enumerated() where alarm == 0 {
            if detector.take((seconds / healthy - 1) / 0.003) { alarm = index + 1 }
        }
        #expect(alarm > 0 && alarm <= 3)
    }
}
