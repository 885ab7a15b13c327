import CNumerics

/// Single precision on this machine's cores: matrix products of OpenBLAS, own vector code for the rest (compiled for three generations of
/// x86-64, the widest that the processor runs is chosen when the program loads).
///
/// OpenBLAS chooses its kernels by the processor when it loads, and the environment variable OPENBLAS_CORETYPE overrules it. On a processor that
/// it does not know the choice can cost much, or nothing: measure both. It must be set before the program starts: see `suggestedCore`.
public struct CPUBackend: Backend {
    public typealias Scalar = Float
    /// Threads of OpenBLAS; all other kernels run on the calling thread.
    public let threads: Int

    /// Sets the threads of OpenBLAS for the whole process: with one thread each, workers can call from several threads at a time.
    /// - Throws: `KernelError` unless there is at least one thread, and no more than 1,024.
    public init(threads: Int = 1) throws(KernelError) {
        guard threads >= 1, threads <= 1024 else { throw KernelError("a CPU backend of \(threads) threads: it must be 1 to 1024") }
        self.threads = threads
        cn_blas_threads(Int32(threads))
    }

    public var description: BackendDescription {
        let configuration = String(cString: cn_blas_config())
        let vectors = [4: "x86-64-v4", 3: "x86-64-v3"][cn_vector_level()] ?? "baseline"
        return BackendDescription(
            name: "cpu", processor: Processor.modelName, library: configuration.split(separator: " ").prefix(2).joined(separator: " "),
            libraryCore: String(cString: cn_blas_core()), vectors: vectors, threads: threads)
    }

    /// Cores that this process may use.
    public static var usableCores: Int { Int(cn_usable_cores()) }

    /// Keeps the calling thread on a core; false where the system does not allow it or has no such core.
    @discardableResult
    public static func pinCurrentThread(to core: Int) -> Bool {
        guard let core = Int32(exactly: core) else { return false }
        return cn_pin_thread(core) == 0
    }

    /// A value of OPENBLAS_CORETYPE that fits the processor better than the path OpenBLAS chose, to be set before the program starts
    /// (a command may set it and run itself again); nil where the choice stands.
    public static var suggestedCore: String? {
        let chosen = String(cString: cn_blas_core())
        let wide: Set<String> = ["SkylakeX", "Cooperlake", "Sapphirerapids", "SapphireRapids"]
        return cn_vector_level() == 4 && !wide.contains(where: { $0.lowercased() == chosen.lowercased() }) ? "SkylakeX" : nil
    }

    /// From now on memory that is given back stays with the process: a buffer of a size that was in use before costs no page faults, as in the
    /// steady state of a training. Of the GNU C library; elsewhere nothing happens.
    public static func keepMemory() { cn_keep_memory() }

    /// Runs `body` with subnormal numbers counting as zero: repeated on their own results, kernels would slow down as values die out.
    public static func withoutSubnormals<Result>(_ body: () throws -> Result) rethrows -> Result {
        let state = cn_flush_subnormals()
        defer { cn_set_rounding(state) }
        return try body()
    }

    // MARK: Buffers

    public func zeros(_ count: Int) -> [Float] { [Float](repeating: 0, count: count) }
    // Any bits are a float, and an operation writes all of its outputs.
    public func uninitialized(_ count: Int) -> [Float] { [Float](unsafeUninitializedCapacity: count) { $1 = count } }
    public func converted(_ x: [Double]) -> [Float] {
        [Float](unsafeUninitializedCapacity: x.count) { buffer, filled in
            if let start = buffer.baseAddress { cn_narrow_f32(x, start, x.count) }
            filled = x.count
        }
    }
    public func doubles(_ x: [Float]) -> [Double] { x.map { Double($0) } }
    public func copy(_ x: [Float], into y: inout [Float]) {
        precondition(x.count == y.count, "a copy of \(x.count) elements to \(y.count)")
        x.withUnsafeBufferPointer { source in
            y.withUnsafeMutableBufferPointer { target in
                guard let from = source.baseAddress, let to = target.baseAddress else { return }
                to.update(from: from, count: source.count)
            }
        }
    }
    public func add(_ x: [Float], into y: inout [Float]) {
        precondition(x.count == y.count, "a sum of \(x.count) elements with \(y.count)")
        cn_axpy_f32(&y, x, x.count, 1)
    }
    public func scale(_ y: inout [Float], by factor: Double) { cn_scale_f32(&y, y.count, Float(factor)) }

    // MARK: Linear algebra

    public func gemm(_ s: GEMM, _ a: [Float], _ b: [Float], into c: inout [Float]) {
        precondition(
            min(s.m, s.n, s.k) >= 0 && max(s.m, s.n, s.k) <= Int(Int32.max) && a.count == s.m * s.k && b.count == s.k * s.n
                && c.count == s.m * s.n,
            "a product of m = \(s.m), n = \(s.n), k = \(s.k) with operands of \(a.count), \(b.count) and \(c.count) elements")
        let sizes: (Int32, Int32, Int32) = (Int32(s.m), Int32(s.n), Int32(s.k))
        withUnsafeBytes(of: sizes) { sizes in
            guard let mnk = sizes.bindMemory(to: Int32.self).baseAddress else { return }
            cn_gemm_f32(s.transposeA ? 1 : 0, s.transposeB ? 1 : 0, mnk, Float(s.alpha), a, b, Float(s.beta), &c)
        }
    }
    public func addBias(_ bias: [Float], into x: inout [Float]) {
        cn_add_bias_f32(&x, bias, rows(x.count, bias.count))
    }
    public func addColumnSums(_ x: [Float], into sums: inout [Float]) {
        cn_add_column_sums_f32(x, &sums, rows(x.count, sums.count))
    }

    /// `count` elements as rows of `width`.
    func rows(_ count: Int, _ width: Int) -> cn_rows {
        precondition(width > 0 ? count % width == 0 : count == 0, "\(count) elements in rows of \(width)")
        return cn_rows(rows: width > 0 ? count / width : 0, width: width)
    }
}

/// What the operating system says of the processor.
enum Processor {
    /// "unknown" where it says nothing.
    static let modelName: String = {
        guard let text = readText("/proc/cpuinfo", limit: 4096) else { return "unknown" }
        for line in text.split(separator: "\n") where line.hasPrefix("model name") {
            let name = line.drop { $0 != ":" }.dropFirst().drop { $0 == " " }
            return name.isEmpty ? "unknown" : String(name)
        }
        return "unknown"
    }()
}
