import Cluster
import Glibc
import Workload

/// The measured kernels of one device, fitted: what `KernelTimings` asks before its own formulas.
public struct MeasuredKernels: Sendable, Hashable {
    public let device: String
    /// What tells two sets apart: the measurements they were made of.
    private let identity: Int
    private let fits: Fits

    /// Copied by reference: a plan holds its job several times.
    private final class Fits: Sendable {
        let curves: [KernelCurve]
        let remarks: [String]
        init(curves: [KernelCurve], remarks: [String]) {
            self.curves = curves
            self.remarks = remarks
        }
    }

    /// In a fixed order.
    public var curves: [KernelCurve] { fits.curves }
    /// Kernels that could not be fitted, with the reason.
    public var remarks: [String] { fits.remarks }

    public static func == (a: Self, b: Self) -> Bool { a.device == b.device && a.identity == b.identity }
    public func hash(into hasher: inout Hasher) {
        hasher.combine(device)
        hasher.combine(identity)
    }

    /// Fits every kernel of `device`.
    /// - Throws: `CalibrationError` where the device is not among the measurements, or nothing of it can be fitted.
    public init(_ measurements: [Measurement], device: String) throws(CalibrationError) {
        if Measurement.isEmulated(device: device)
            || !measurements.isEmpty && measurements.allSatisfy({ Measurement.isEmulated(device: $0.key.device) })
        {
            throw CalibrationError(
                "the times are of the emulated GPU: they say nothing about a real one, and nothing is predicted from them")
        }
        var groups: [CurveKey: [Measurement]] = [:]
        for measurement in measurements where measurement.key.device == device {
            groups[CurveKey(measurement), default: []].append(measurement)
        }
        guard !groups.isEmpty else {
            let devices = Set(measurements.map(\.key.device)).sorted()
            throw CalibrationError(
                "nothing was measured on \(device); "
                    + (devices.isEmpty ? "the file holds no measurement" : "the measurements are of \(devices.joined(separator: ", "))"))
        }
        let units = (try? Catalogue.accelerator(named: device))?.computeUnits
        var curves: [KernelCurve] = []
        var remarks: [String] = []
        for (_, group) in groups.sorted(by: { $0.key.description < $1.key.description }) {
            do throws(CalibrationError) { curves.append(try KernelCurve(group, units: units)) } catch { remarks.append(error.message) }
        }
        guard !curves.isEmpty else { throw CalibrationError("no kernel can be fitted: \(remarks.joined(separator: "; "))") }
        self.device = device
        fits = Fits(curves: curves, remarks: remarks)
        identity = measurements.hashValue
    }

    /// The curve of a kernel: of the wanted pass and layout where there is one, else of another layout; of several variants the one with most points.
    private func curve(_ kernel: Kernel, pass: Pass, dtype: Precision, layout: Measurement.Layout = .unknown) -> KernelCurve? {
        var best: (rank: Int, points: Int, curve: KernelCurve)?
        for curve in curves where curve.key.kernel == kernel && curve.key.dtype == dtype && curve.key.pass == pass {
            let rank = curve.key.layout == layout ? 2 : curve.key.layout == .unknown ? 1 : 0
            if (rank, curve.points) > (best?.rank ?? -1, best?.points ?? 0) { best = (rank, curve.points, curve) }
        }
        return best?.curve
    }

    /// Duration of a product of the given pass in `dtype`; nil where it was not measured. `isQuantised`: the quantise kernels are in it.
    func product(_ gemm: GEMM, pass: Pass, dtype: Precision) -> (estimate: Estimate, isQuantised: Bool)? {
        let layout: Measurement.Layout =
            switch pass {
            case .forward: .tn
            case .inputGradient: .nn
            case .weightGradient: .nt
            }
        let kernel: Kernel = gemm.grouped ? .groupedGEMM : .gemm
        // Tables that know no pass have all products under the first.
        guard
            let curve = curve(kernel, pass: pass, dtype: dtype, layout: layout)
                ?? curve(kernel, pass: .forward, dtype: dtype, layout: layout)
        else { return nil }
        let shape = KernelShape.product(m: gemm.m, n: gemm.n, k: gemm.k, count: gemm.grouped ? gemm.count : 1)
        guard var estimate = estimate(curve, shape) else { return nil }
        if !gemm.grouped { estimate.seconds *= Double(gemm.count) }
        return (estimate, curve.formula == .productQuantised || curve.formula == .productInWavesQuantised)
    }

    func attention(_ core: AttentionCore, pass: Pass, dtype: Precision) -> Estimate? {
        curve(.attention, pass: pass, dtype: dtype).flatMap { estimate($0, .attention(KernelShape.AttentionShape(core))) }
    }

    func memory(_ kernels: [Kernel], bytes: Double, row: Int, pass: Pass, dtype: Precision) -> Estimate? {
        for kernel in kernels {
            guard let curve = curve(kernel, pass: pass, dtype: dtype) ?? curve(kernel, pass: .forward, dtype: dtype) else { continue }
            return estimate(curve, .memory(bytes: max(1, bytes), row: row))
        }
        return nil
    }

    /// A collective on `ranks` GPUs of which `perNode` share a node, alone on its links; the dtype does not matter to a copy of bytes, so that of
    /// most points counts.
    public func collective(_ kernel: Kernel, bytes: Double, ranks: Int, perNode: Int) -> Estimate? {
        var best: KernelCurve?
        for curve in curves where curve.key.kernel == kernel && curve.key.ranks == ranks && curve.key.perNode == perNode {
            if curve.points > best?.points ?? 0 { best = curve }
        }
        return best.flatMap { estimate($0, .collective(bytes: max(1, bytes), ranks: ranks, perNode: perNode)) }
    }

    private func estimate(_ curve: KernelCurve, _ shape: KernelShape) -> Estimate? {
        guard let estimate = try? curve.estimate(shape), estimate.seconds.isFinite, estimate.seconds > 0 else { return nil }
        return estimate
    }
}
