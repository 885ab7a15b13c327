/// The constants of the time model. Meaning, unit, prior, range and reason of each: Resources/constants.yaml.
public enum Constant: Int, Sendable, CaseIterable {
    case gemm, gemmFp32, gemmLow, gemmFp4, grouped, gemmWave, gemmKHalf, gemmTiles
    case attention, attentionHead64, attentionBackward, attentionSHalf
    case attentionBmm, attentionUnaligned, attentionOdd, attentionSoftmax
    case memory, elementwise, logits, quantise, quantiseRowwise, quantiseMx
    case convolution, convolutionTraffic, convolutionWide, uncompiled
    case kernelStart, launch, launchBlocking, collectiveLaunch
    case nvlink, network, ringStart, shardStart
    case tensorExposed, tensorChunks
    case tensorAsyncExposed, tensorBackwardExposed, tensorGatherBackward, contextExposed, expertExposed, expertOverlap
    case pipelineExposed, pipelineOverlap, hostSync, blockingSends, blockingGrowth
    case dataExposed, overlapSlowdown, shardedSlowdown
    case optimizer, optimizerTensor, gradientCopy, fixed, jitter, moePermute, selectiveShare, degradation

    /// Its name in data files: the case in snake case.
    public var key: String {
        "\(self)".reduce(into: "") { $0 += $1.isUppercase ? "_" + $1.lowercased() : String($1) }
    }
}

/// One value of every constant, resolved for a device and a software stack.
public struct Constants: Sendable, Hashable {
    /// In the order of `Constant.allCases`.
    public private(set) var values: [Double]
    init(values: [Double]) { self.values = values }

    /// The same with one constant times `factor`, within its physical range.
    public func scaled(_ constant: Constant, by factor: Double, priors: ConstantTable) -> Constants {
        var copy = self
        let range = priors[constant].range
        copy.values[constant.rawValue] = min(max(values[constant.rawValue] * factor, range.lowerBound), range.upperBound)
        return copy
    }
    @inline(__always)
    public subscript(constant: Constant) -> Double { values[constant.rawValue] }
}
