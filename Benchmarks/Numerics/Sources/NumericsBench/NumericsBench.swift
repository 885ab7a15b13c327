import Compression
import Training

// One core, best and median of several runs; a line a figure: name, value, unit, what it is relative to.

func seconds(_ runs: Int, _ body: () throws -> Void) rethrows -> (best: Double, median: Double) {
    try body()
    var times: [Double] = []
    let clock = ContinuousClock()
    for _ in 0..<runs {
        let time = try clock.measure(body)
        times.append(Double(time.components.seconds) + Double(time.components.attoseconds) * 1e-18)
    }
    times.sort()
    return (times[0], times[times.count / 2])
}

func line(_ name: String, _ time: (best: Double, median: Double), bytes: Double) {
    print("\(name): best \(round3(time.best * 1e3)) ms, median \(round3(time.median * 1e3)) ms, \(round3(bytes / time.best / 1e9)) GB/s")
}
func round3(_ x: Double) -> Double { (x * 1000).rounded() / 1000 }

@main struct NumericsBench {
    static func main() throws {
        var draws = SeededDraws(seed: 1)
        let gradient = (0..<1 << 20).map { _ in Float(draws.unit() + draws.unit() + draws.unit() + draws.unit() - 2) }
        // AdamW against y += a x, in the same run: both stream from main memory, 28 and 12 bytes an element.
        // Not a power of two: four arrays at equal distances modulo the caches' size would collide (measured: twice the time).
        let large = 30_000_000
        func tiled(_ count: Int) -> [Float] { (0..<count).map { gradient[$0 & (1 << 20 - 1)] } }
        do {
            let gradients = [tiled(large)]
            var parameters = [Tensor(tiled(large))]
            var optimizer = Optimizer(Adam<Float>.adamW(), shapes: [[large]])
            var stream = (best: Double.infinity, median: Double.infinity)
            var adam = stream
            // In turn, so that both meet the same neighbours on a shared machine.
            for _ in 0..<9 {
                let one = seconds(1) { Float.axpy(&parameters[0].values, gradients[0], 1e-6) }
                let other = try seconds(1) { try optimizer.step(&parameters, gradients: gradients, rate: 1e-6) }
                if one.best < stream.best { stream = one }
                if other.best < adam.best { adam = other }
            }
            line("memory bandwidth, y += a x, n = 3e7", stream, bytes: 12 * Double(large))
            line("AdamW step, n = 3e7", adam, bytes: 28 * Double(large))
            print("AdamW share of memory bandwidth: \(round3(28 / 12 * stream.best / adam.best))")
        }
        do {
            let n = 1 << 20
            var parameters = [Tensor(gradient)]
            var optimizer = Optimizer(Adam<Float>.adamW(), shapes: [[n]])
            let gradients = [gradient]
            line(
                "AdamW step, n = 2^20", try seconds(50) { try optimizer.step(&parameters, gradients: gradients, rate: 1e-6) },
                bytes: 28 * Double(n))
        }
        for exponent in [20, 22, 24] {
            let n = 1 << exponent
            let g = tiled(n)
            let runs = 80 >> (exponent - 20)
            var feedback = ErrorFeedback(try SparseCodec(.top(.share(0.05)), indices: .packed))
            var plain = try SparseCodec(.top(.share(0.05)), indices: .packed)
            var message: [UInt8] = []
            let first = try seconds(runs) {
                message.removeAll(keepingCapacity: true)
                try g.withUnsafeBufferPointer { try feedback.encode($0, into: &message) }
            }
            line("top 5% + error feedback + packed message, n = 2^\(exponent)", first, bytes: 4 * Double(n))
            let second = try seconds(runs) {
                message.removeAll(keepingCapacity: true)
                try g.withUnsafeBufferPointer { try plain.encode($0, into: &message) }
            }
            line("top 5% + packed message, n = 2^\(exponent)", second, bytes: 4 * Double(n))
        }
        do {
            let n = 1 << 24
            let g = tiled(n)
            for format in NumberFormat.allCases {
                var codec = try BlockQuantizer(format, block: 256)
                // Buffers are used again, as a trainer would.
                var message: [UInt8] = []
                let encode = try seconds(7) {
                    message.removeAll(keepingCapacity: true)
                    try g.withUnsafeBufferPointer { try codec.encode($0, into: &message) }
                }
                line("\(format) encode, block 256, n = 2^24", encode, bytes: 4 * Double(n))
                var output = [Float](repeating: 0, count: n)
                let decode = try seconds(7) {
                    try output.withUnsafeMutableBufferPointer { target in try message.withUnsafeBytes { try codec.decode($0, into: target) }
                    }
                }
                line("\(format) decode, block 256, n = 2^24", decode, bytes: 4 * Double(n))
            }
            var tensor = try BlockQuantizer(.e4m3)
            line("e4m3 encode, per tensor, n = 2^24", try seconds(7) { _ = try tensor.encode(g) }, bytes: 4 * Double(n))
        }
        do {
            let n = 1 << 24
            let positions = (0..<n).filter { _ in draws.unit() < 0.05 }.map { UInt32($0) }
            for coding in IndexCoding.allCases {
                let codec = IndexCodec(coding)
                var bytes: [UInt8] = []
                line(
                    "\(coding) encode, 5% of 2^24 positions", try seconds(20) { bytes = try codec.encode(positions, limit: n) },
                    bytes: 4 * Double(positions.count))
                line(
                    "\(coding) decode", try seconds(20) { _ = try codec.decode(bytes, count: positions.count, limit: n) },
                    bytes: 4 * Double(positions.count))
                print("\(coding) bits a position: \(round3(8 * Double(bytes.count) / Double(positions.count)))")
            }
        }
    }
}
