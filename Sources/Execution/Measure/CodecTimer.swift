import Calibration
import Cluster
import Compression
import Workload

/// Times one codec's encode and decode of normally distributed gradients.
struct CodecTimer {
    private let codec: any GradientCodec
    private let gradient: [Float]
    private let message: [UInt8]
    private let device: String

    /// Nil where the codec refuses the gradient.
    init?(_ codec: any GradientCodec, count: Int, device: String) {
        var draws = SeededNormals(seed: 11)
        var coder = codec
        // A block repeated: normal deviates are slow to draw, and codecs do not care about the period.
        let block = (0..<min(count, 1 << 14)).map { _ in draws.next() }
        let gradient = (0..<count).map { block[$0 & (block.count - 1)] }
        guard let message = try? coder.encode(gradient) else { return nil }
        self.codec = coder
        self.gradient = gradient
        self.message = message
        self.device = device
    }

    /// Encode and decode; bytes: those of the gradient and of the message.
    var keys: [Measurement.Key] {
        let shape = KernelShape.memory(bytes: Double(4 * gradient.count + message.count), row: 0)
        return ["encode", "decode"].map { direction in
            Measurement.Key(.codec, variant: "\(codec.name) \(direction)", device: device, dtype: .fp32, shape: shape)
        }
    }

    func time(_ rule: StopRule) -> [(Measurement.Key, Repeats)] {
        var coder = codec
        var buffer: [UInt8] = []
        var output = [Float](repeating: 0, count: gradient.count)
        func lap(_ body: () -> Void) -> Lap {
            let (preempted, own) = (Clocks.preemptions(), Clocks.thread())
            body()
            let seconds = Clocks.thread() - own
            return Lap(seconds: seconds, isDisturbed: Clocks.preemptions() > preempted)
        }
        let encode = Repeats(rule, clock: Clocks.wall) {
            lap {
                buffer.removeAll(keepingCapacity: true)
                gradient.withUnsafeBufferPointer { _ = try? coder.encode($0, into: &buffer) }
            }
        }
        let decode = Repeats(rule, clock: Clocks.wall) {
            lap {
                output.withUnsafeMutableBufferPointer { target in
                    message.withUnsafeBytes { _ = try? codec.decode($0, into: target) }
                }
            }
        }
        return zip(keys, [encode, decode]).compactMap { key, repeats in repeats.map { (key, $0) } }
    }
}

/// Approximately normal: the sum of twelve uniform draws less six (variance 1).
private struct SeededNormals {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> Float {
        var sum = -6.0
        for _ in 0..<12 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            sum += Double((z ^ (z >> 31)) >> 11) * 0x1p-53
        }
        return Float(sum)
    }
}
