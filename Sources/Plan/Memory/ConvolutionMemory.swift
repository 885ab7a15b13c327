import Calibration
import Cluster
import Workload

/// Memory of a ResNet of bottleneck blocks (He et al., arXiv:1512.03385, table 1).
///
/// Each convolution's output is kept twice, as the input of its batch norm and, normalised, as the input of what follows (the rectifier works in place).
struct ConvolutionMemory {
    /// Parameters: convolutions without biases, batch norms with two vectors, the classifier with 1000 classes.
    private(set) var parameters = 0.0
    /// Elements kept for a picture; of these, inputs of blocks; and the most that one block keeps.
    private(set) var elements = 0.0
    private(set) var inputs = 0.0
    private(set) var largestBlock = 0.0
    /// Elements of a picture's largest tensor, the stem's output, and of the pooled one.
    private var stem = 0.0
    private var pooled = 0.0

    init(depth: Int, imageSize: Int, groups: Int = 1, groupWidth: Int = 64) {
        let blocks = depth >= 152 ? [3, 8, 36, 3] : depth >= 101 ? [3, 4, 23, 3] : [3, 4, 6, 3]
        var side = imageSize / 2 + imageSize % 2
        var channels = 64
        elements += 3 * Double(imageSize) * Double(imageSize)
        stem = 64 * Double(side) * Double(side)
        add(kernel: 7, from: 3, to: 64, side: side)
        side = (side + 1) / 2
        pooled = 64 * Double(side) * Double(side)
        elements += pooled
        inputs = elements
        for (stage, count) in blocks.enumerated() {
            let width = 64 << stage
            let inner = width * groupWidth * max(1, groups) / 64
            for block in 0..<count {
                let before = side
                let outside = elements
                if block > 0 || stage > 0 { inputs += Double(channels) * Double(side) * Double(side) }
                if stage > 0, block == 0 { side = (side + 1) / 2 }
                add(kernel: 1, from: channels, to: inner, side: before)
                add(kernel: 3, from: inner / max(1, groups), to: inner, side: side)
                add(kernel: 1, from: inner, to: 4 * width, side: side)
                if block == 0 { add(kernel: 1, from: channels, to: 4 * width, side: side) }
                channels = 4 * width
                largestBlock = max(largestBlock, elements - outside)
            }
        }
        parameters += Double(channels * 1000 + 1000)
    }

    private mutating func add(kernel: Int, from: Int, to: Int, side: Int) {
        parameters += Double(kernel * kernel * from * to + 2 * to)
        elements += 2 * Double(to) * Double(side) * Double(side)
    }

    func stage(_ job: Job, capacity: Double) -> MemoryEstimate.Stage {
        var stage = MemoryEstimate.Stage()
        let traits = MemoryTraits(job)
        let bytes = job.precision.activationBytes
        let replicas = Double(max(1, min(job.data, job.layout.shardGroup ?? job.data)))
        func cut(_ level: Int) -> Double { job.layout.zero >= level ? replicas : 1 }
        stage.parameters = bytes * parameters / cut(3)
        stage.gradients = bytes * parameters / cut(2)
        stage.optimizer = ((bytes < 4 ? 4 : 0) + job.stateBytesPerParameter) * parameters / cut(1)
        // Pooling keeps 8-byte indices; the backward ends at the stem with the gradients of its batch norm's output and input.
        let kept = job.training.recompute == .full ? inputs + largestBlock : elements
        stage.activations = (bytes * (kept + 2 * stem) + 8 * pooled) * Double(job.training.microBatch)
        // Reduction buckets hold one more copy of the gradients. cuDNN's workspaces take what room there is: it has algorithms without.
        stage.buffers = (job.data > 1 ? bytes * parameters : 0)
        stage.buffers += job.training.compression?.memoryBytes(elements: parameters, job: job) ?? 0
        stage.context = traits.context(capacity)
        stage.fragmentation = stage.context + min(max(0, capacity - stage.total - stage.context), traits.stack.slack * stage.activations)
        // Given back on demand: only what the margin leaves.
        stage.fragmentation += min(max(0.5e9, traits.stack.tried), max(0, capacity * (1 - job.layout.memoryMargin) - stage.total))
        return stage
    }
}
