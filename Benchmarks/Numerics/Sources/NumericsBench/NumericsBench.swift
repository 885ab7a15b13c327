import Compression
import Foundation
import Training

// One thread. A line a figure: name, seconds of the best run, bytes read and written (or read) in it, tab-separated. compare.py sets them beside
// NumPy and PyTorch. The clock is the thread's CPU time, as there: on a shared machine a neighbour's time slices would else count as ours.

func cpuSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
}

/// The best of `runs`, after one that is not counted.
func best(_ runs: Int, _ body: () throws -> Void) rethrows -> Double {
    try body()
    var least = Double.infinity
    for _ in 0..<runs {
        let start = cpuSeconds()
        try body()
        least = min(least, cpuSeconds() - start)
    }
    return least
}

func line(_ name: String, _ seconds: Double, bytes: Int) { print("\(name)\t\(seconds)\t\(bytes)") }

@main struct NumericsBench {
    static func main() throws {
        var draws = SeededDraws(seed: 1)
        let gradient = (0..<1 << 20).map { _ in Float(draws.unit() + draws.unit() + draws.unit() + draws.unit() - 2) }
        func tiled(_ count: Int) -> [Float] { (0..<count).map { gradient[$0 & (1 << 20 - 1)] } }
        try optimizers(tiled)
        try selection(tiled)
        try quantisers(tiled(1 << 24))
        try indices(&draws)
    }

    /// Each in turn with y += a x, so that both meet the same neighbours on a shared machine.
    static func optimizers(_ tiled: (Int) -> [Float]) throws {
        // Not a power of two: four arrays at equal distances modulo the caches' size would collide (measured: twice the time).
        for (label, count, rounds) in [("2^20", 1 << 20, 40), ("3e7", 30_000_000, 6)] {
            let gradients = [tiled(count)]
            var parameters = [Tensor(tiled(count))]
            var adam = Optimizer(Adam<Float>(), shapes: [[count]])
            var adamW = Optimizer(Adam<Float>.adamW(), shapes: [[count]])
            var times = [Double](repeating: .infinity, count: 3)
            for _ in 0..<rounds {
                times[0] = min(times[0], best(1) { Float.axpy(&parameters[0].values, gradients[0], 1e-6) })
                times[1] = min(times[1], try best(1) { try adam.step(&parameters, gradients: gradients, rate: 1e-6) })
                times[2] = min(times[2], try best(1) { try adamW.step(&parameters, gradients: gradients, rate: 1e-6) })
            }
            line("y += a x, n = \(label)", times[0], bytes: 12 * count)
            line("Adam step, n = \(label)", times[1], bytes: 28 * count)
            line("AdamW step, n = \(label)", times[2], bytes: 28 * count)
        }
    }

    static func selection(_ tiled: (Int) -> [Float]) throws {
        for exponent in [20, 22, 24] {
            let n = 1 << exponent
            let g = tiled(n)
            var feedback = ErrorFeedback(try SparseCodec(.top(.share(0.05)), indices: .packed))
            var message: [UInt8] = []
            let seconds = try best(max(5, 80 >> (exponent - 20))) {
                message.removeAll(keepingCapacity: true)
                try g.withUnsafeBufferPointer { try feedback.encode($0, into: &message) }
            }
            line("top 5% + error feedback + packed message, n = 2^\(exponent)", seconds, bytes: 4 * n)
        }
    }

    static func quantisers(_ g: [Float]) throws {
        for format in NumberFormat.allCases {
            var codec = try BlockQuantizer(format, block: 256)
            // Buffers are used again, as a trainer would.
            var message: [UInt8] = []
            let encode = try best(5) {
                message.removeAll(keepingCapacity: true)
                try g.withUnsafeBufferPointer { try codec.encode($0, into: &message) }
            }
            line("\(format) encode, block 256, n = 2^24", encode, bytes: 4 * g.count)
            var output = [Float](repeating: 0, count: g.count)
            let decode = try best(5) {
                try output.withUnsafeMutableBufferPointer { target in try message.withUnsafeBytes { try codec.decode($0, into: target) } }
            }
            line("\(format) decode, block 256, n = 2^24", decode, bytes: 4 * g.count)
        }
    }

    static func indices(_ draws: inout SeededDraws) throws {
        let n = 1 << 24
        let positions = (0..<n).filter { _ in draws.unit() < 0.05 }.map { UInt32($0) }
        for coding in IndexCoding.allCases {
            let codec = IndexCodec(coding)
            var bytes: [UInt8] = []
            line(
                "\(coding) positions encode, 5% of 2^24", try best(12) { bytes = try codec.encode(positions, limit: n) },
                bytes: 4 * positions.count)
            line(
                "\(coding) positions decode, 5% of 2^24",
                try best(12) { _ = try codec.decode(bytes, count: positions.count, limit: n) }, bytes: 4 * positions.count)
        }
    }
}
