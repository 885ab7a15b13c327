import Foundation
import TestSupport
import Testing
import Training

@Suite struct RateScheduleTests {
    /// Exact, not nearly: start, peak and end at their steps, half way through a cosine the mean.
    @Test func boundariesAreExact() throws {
        for shape in [WarmupDecay.Shape.cosine, .linear] {
            let schedule = try WarmupDecay(shape, peak: 3e-4, warmup: 100, total: 1100, ends: (1e-6, 3e-5))
            #expect(schedule.rate(at: 0) == 1e-6)
            #expect(schedule.rate(at: 100) == 3e-4)
            #expect(schedule.rate(at: 1100) == 3e-5 && schedule.rate(at: 5000) == 3e-5)
            #expect(abs(schedule.rate(at: 50) - (1e-6 + 3e-4) / 2) < 1e-18)
            #expect(abs(schedule.rate(at: 600) - (3e-4 + 3e-5) / 2) < 1e-18)
            #expect(schedule.rate(at: 99) < 3e-4 && schedule.rate(at: 101) < 3e-4)
        }
        // cos(pi / 4): a quarter of the way 0.5 (1 + sqrt(1/2)) of the fall is left.
        let cosine = try WarmupDecay(.cosine, peak: 1, warmup: 0, total: 400)
        #expect(cosine.rate(at: 0) == 1 && cosine.rate(at: 400) == 0)
        #expect(abs(cosine.rate(at: 100) - 0.5 * (1 + 0.5.squareRoot())) < 1e-15)
        #expect(throws: TrainingError.self) { try WarmupDecay(.linear, peak: 1, warmup: 11, total: 10) }
    }

    @Test func inverseSquareRootAndWSD() throws {
        let root = try InverseSquareRoot(peak: 2, warmup: 16)
        #expect([0, 8, 16, 64, 256].map { root.rate(at: $0) } == [0, 1, 2, 1, 0.5])
        let wsd = try WarmupStableDecay(peak: 1, warmup: 10, decayStart: 80, total: 100, decay: (.linear, 0.2))
        #expect([0, 5, 10, 45, 80].map { wsd.rate(at: $0) } == [0, 0.5, 1, 1, 1])
        #expect(abs(wsd.rate(at: 90) - 0.6) < 1e-15 && wsd.rate(at: 100) == 0.2 && wsd.rate(at: 1000) == 0.2)
        let square = try WarmupStableDecay(peak: 1, warmup: 0, decayStart: 0, total: 100, decay: (.oneMinusSquareRoot, 0))
        #expect(square.rate(at: 0) == 1 && square.rate(at: 25) == 0.5 && square.rate(at: 100) == 0)
        #expect(throws: TrainingError.self) { try WarmupStableDecay(peak: 1, warmup: 5, decayStart: 4, total: 10) }
        #expect(throws: TrainingError.self) { try InverseSquareRoot(peak: 1, warmup: 0) }
        #expect(ConstantRate(0.1).rate(at: 7) == 0.1)
    }
}

@Suite struct ClippingTests {
    /// (3, 4) and 12: norm 13. To 6.5: halved, up to the 1e-6 in the denominator.
    @Test func byGlobalNorm() {
        var clipper = NormClipper<Double>(maximum: 6.5)
        var gradients: [[Double]] = [[3, 4], [12]]
        let report = clipper.clip(&gradients, parameters: [])
        #expect(report.norm == 13)
        #expect(zip(gradients.joined(), [1.5, 2, 6]).allSatisfy { abs($0 - $1) < 1e-6 })
        var small: [[Double]] = [[0.3, 0.4]]
        #expect(clipper.clip(&small, parameters: []).factor == 1 && small == [[0.3, 0.4]])
        var broken: [[Double]] = [[1, .nan]]
        #expect(clipper.clip(&broken, parameters: []).norm.isNaN && broken[0][0] == 1)
    }

    @Test func byValue() {
        var clipper = ValueClipper<Float>(limit: 1)
        var gradients: [[Float]] = [[-3, 0.5, 2, .infinity]]
        _ = clipper.clip(&gradients, parameters: [])
        #expect(gradients == [[-1, 0.5, 1, 1]])
    }

    /// Norms 1, 2, 3, 4 with quantile 0.5: the threshold is 2.5.
    @Test func byRunningQuantile() throws {
        var clipper = try QuantileClipper<Double>(quantile: 0.5, window: 4)
        for norm in 1...4 {
            var gradients = [[Double(norm)]]
            _ = clipper.clip(&gradients, parameters: [])
        }
        #expect(clipper.threshold == 2.5)
        var large: [[Double]] = [[100]]
        #expect(clipper.clip(&large, parameters: []).norm == 100)
        #expect(abs(large[0][0] - 2.5) < 1e-6)
        #expect(clipper.norms == [2, 3, 4, 100])
        #expect(throws: TrainingError.self) { try QuantileClipper<Double>(quantile: 1.1) }
    }

    /// Rows (3, 4) and (0, 0): allowed 0.1 x 5 and 0.1 x 0.001. Gradients (6, 8) and (0, 1) become (0.3, 0.4) and (0, 1e-4).
    @Test func byUnitAdaptively() throws {
        var clipper = AdaptiveClipper<Double>(ratio: 0.1, least: 1e-3)
        var gradients: [[Double]] = [[6, 8, 0, 1]]
        _ = clipper.clip(&gradients, parameters: [try Tensor([3, 4, 0, 0], shape: [2, 2])])
        #expect(zip(gradients[0], [0.3, 0.4, 0, 1e-4]).allSatisfy { abs($0 - $1) < 1e-15 })
    }
}

@Suite struct PrecisionTests {
    /// 8, overflow to 4 (skipped), two clean steps to 8, overflow resets the count.
    @Test func lossScaleHalvesAndDoubles() throws {
        var scaler = try LossScaler(initial: 8, interval: 2)
        let taken = [false, true, true, true, false, true, true].map { (scaler.update(finite: $0), scaler.scale) }
        #expect(taken.map(\.1) == [4, 4, 8, 8, 4, 4, 8])
        #expect(taken.map(\.0) == [false, true, true, true, false, true, true])
        #expect(scaler.skippedSteps == 2)
        var fixed = LossScaler(fixed: 128)
        #expect(!fixed.update(finite: false) && fixed.scale == 128)
        var gradients: [[Float]] = [[128, 256]]
        #expect(fixed.unscale(&gradients) && gradients == [[1, 2]])
        var broken: [[Float]] = [[.infinity]]
        #expect(!fixed.unscale(&broken))
        #expect(throws: TrainingError.self) { try LossScaler(interval: 0) }
    }

    /// Against the definition, for every class of number; bfloat16 by hand.
    @Test func halfPrecisionRoundsToNearestEven() {
        var source = TestDraws(seed: 2)
        var values = (0..<2000).map { _ in Float(source.signed() * pow(2, Double(Int(source.next() % 47)) - 28)) }
        values += [0, -0.0, 65504, 65519, 65520, 65536, 1e30, 5.96e-8, 2.98e-8, 2.99e-8, 6.1e-5, .infinity, -.infinity]
        for (value, stored) in zip(values, StorageFormat.fp16.stored(values)) {
            #expect(reference(value) == stored, "\(value)")
        }
        #expect(StorageFormat.fp16.stored([.nan])[0].isNaN && StorageFormat.bf16.stored([.nan])[0].isNaN)
        // 1 + 2^-8 is half way between 1 and 1 + 2^-7: to even; 1 + 3 x 2^-8 goes up to 1 + 2^-6.
        #expect(StorageFormat.bf16.stored([1.00390625, 1.01171875]) == [1, 1.015625])
        #expect(StorageFormat.fp8E4M3.stored([448, 1.06, 0]) == [448, 1, 0])
    }
    /// Round to nearest even on the fp16 grid, from its definition.
    private func reference(_ x: Float) -> Float {
        guard x.isFinite, x != 0 else { return x }
        let exponent = max(-14, Int(Double(x).exponent))
        let spacing = pow(2.0, Double(exponent - 10))
        let rounded = (Double(x) / spacing).rounded(.toNearestOrEven) * spacing
        return abs(rounded) >= 65520 ? (x < 0 ? -.infinity : .infinity) : Float(rounded)
    }

    @Test func masterWeightsKeepWhatTheCopyLoses() {
        var weights = MasterWeights([Tensor([1])], format: .bf16)
        for _ in 0..<100 { weights.master[0].values[0] += 1e-3 }
        #expect(abs(weights.master[0].values[0] - 1.1) < 1e-4 && weights.bytesPerParameter == 6)
        #expect(abs(weights.working[0].values[0] - 1.1) < 0.004)
    }

    /// One batch of 12, or micro-batches of 3 and of 1, 5, 6: the same mean up to rounding in single precision.
    @Test func accumulationDoesNotDependOnTheSplit() throws {
        let samples = (0..<12).map { draws(UInt64($0), 5).map { Float($0) } }
        func mean(_ split: [Int], format: StorageFormat) throws -> [Float] {
            var accumulator = GradientAccumulator(shapes: [[5]], format: format, lossScale: 1024)
            var start = 0
            for count in split {
                let part = (0..<5).map { j in samples[start..<start + count].reduce(Float(0)) { $0 + $1[j] } / Float(count) * 1024 }
                try accumulator.add([part], samples: count)
                start += count
            }
            return accumulator.take().gradients[0]
        }
        let whole = try mean([12], format: .fp32)
        for split in [[3, 3, 3, 3], [1, 5, 6], [Int](repeating: 1, count: 12)] {
            #expect(zip(whole, try mean(split, format: .fp32)).allSatisfy { abs($0 - $1) < 1e-6 })
            #expect(zip(whole, try mean(split, format: .fp16)).allSatisfy { abs($0 - $1) < 1e-3 })
        }
        var accumulator = GradientAccumulator(shapes: [[1]])
        try accumulator.add([[.infinity]], samples: 1)
        #expect(!accumulator.take().finite && accumulator.samples == 0)
        #expect(throws: TrainingError.self) { try accumulator.add([[1, 2]], samples: 1) }
    }
}

@Suite struct GroupingTests {
    /// In MB, forward order: 1, 2, 300, 20, 1. Backward, buckets of 25 MB: small ones [4, 1, 0], the others each its own.
    @Test func bucketsHoldEveryTensorOnceAndByClass() throws {
        let sizes = [1, 2, 300, 20, 1].map { $0 * 1_000_000 }
        let buckets = try gradientBuckets(sizes: sizes, capacity: 25_000_000)
        #expect(buckets.map(\.tensors).contains([4, 1, 0]))
        #expect(buckets.flatMap(\.tensors).sorted() == [0, 1, 2, 3, 4])
        #expect(buckets.filter { $0.sizeClass.isSynchronous }.count == 1)
        #expect([15_999_999, 16_000_000, 64_000_000, 256_000_000].map { SizeClass(bytes: $0) } == SizeClass.allCases)
        // Two of 15 MB exceed one bucket.
        #expect(try gradientBuckets(sizes: [15_000_000, 15_000_000], capacity: 25_000_000).count == 2)
        #expect(throws: TrainingError.self) { try gradientBuckets(sizes: [1], capacity: 0) }
    }
}

@Suite struct MetricsTests {
    /// Norms 1, 2, 3, 4: variance 5/3. Two of four updates stale, by 1 and 3.
    @Test func variancesAndDelays() {
        var metrics = TrainingMetrics(smoothing: 0.5)
        for (norm, staleness) in [(1.0, 0), (2, 1), (3, 0), (4, 3)] { metrics.record(loss: 7, gradientNorm: norm, staleness: staleness) }
        #expect(abs(metrics.gradientNormVariance - 5.0 / 3) < 1e-15)
        #expect(metrics.asyncDelayRatio == 0.5 && metrics.meanStaleness == 1)
        #expect(abs(metrics.lossAverage - 7) < 1e-15)
        // Weights 1, 2, 4, 8 of 15: (1 + 4 + 12 + 32) / 15.
        #expect(abs(metrics.gradientNormAverage - 49.0 / 15) < 1e-14)
    }

    @Test func ratesOverAWindow() {
        var counter = RateCounter(window: 2)
        for second in 0..<5 { counter.record(10, at: Double(second)) }
        #expect(counter.rate(at: 4) == 10 && counter.rate(at: 5.5) == 5 && counter.rate(at: 9) == 0)
    }
}
