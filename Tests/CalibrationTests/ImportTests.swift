import CSQLite
import Cluster
import Foundation
import Testing
import Workload

@testable import Calibration

/// Foundation has a type of this name.
private typealias Measurement = Calibration.Measurement

private func temporary(_ name: String) -> String {
    FileManager.default.temporaryDirectory.appendingPathComponent("orrery-import-\(UUID().uuidString)-\(name)").path
}

private func write(_ text: String, _ name: String) throws -> String {
    let path = temporary(name)
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
}

@Suite("nccl-tests output")
struct NCCLTestsTests {
    private static let header = """
        # nThread 1 nGpus 1 minBytes 1048576 maxBytes 4194304 step: 2(factor) warmup iters: 5 iters: 20 agg iters: 1 validation: 1 graph: 0
        #
        # Using devices
        #  Rank  0 Group  0 Pid   1001 on     node-a device  0 [0x18] NVIDIA H100 80GB HBM3
        #  Rank  1 Group  0 Pid   1002 on     node-a device  1 [0x2a] NVIDIA H100 80GB HBM3
        #  Rank  2 Group  0 Pid   2001 on     node-b device  0 [0x18] NVIDIA H100 80GB HBM3
        #  Rank  3 Group  0 Pid   2002 on     node-b device  1 [0x2a] NVIDIA H100 80GB HBM3
        NCCL version 2.19.3+cuda12.2
        #                                                              out-of-place                       in-place
        #       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
        #        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
        """
    /// 4 ranks: 2(n-1)/n = 1.5, and 1.5 x 20.97 = 31.46 GB/s.
    private static let row =
        "     1048576        262144     float     sum      -1    50.00   20.97   31.46      0    48.00   21.85   32.77      0"

    private func parse(_ text: String, _ settings: ImportSettings = ImportSettings()) throws(MeasurementFault) -> [Measurement] {
        try NCCLTests.parse(text, file: "n.txt", settings).measurements
    }

    @Test func ranksNodesDeviceAndOperationAreRead() throws {
        let found = try parse(Self.header + "\n" + Self.row + "\n# Avg bus bandwidth    : 32.1\n")
        #expect(zip(found.map(\.seconds), [50e-6, 48e-6]).allSatisfy { abs($0 / $1 - 1) < 1e-12 })
        #expect(found.count == 2)
        #expect(
            found[0].key
                == Measurement.Key(
                    .allReduce, device: "h100-sxm-80gb", dtype: .fp32, shape: .collective(bytes: 1_048_576, ranks: 4, perNode: 2)))
        #expect(found[0].conditions.library == "NCCL 2.19.3")
    }

    /// What launchers put before each line says nothing: srun -l, pdsh, mpirun --tag-output of Open MPI 4 and 5, times.
    @Test(arguments: [
        " 0: ", "0:", "node-a.local: ", "[1,0]<stdout>:", "[1,0]<stdout>: ", "[prterun-node-77@1,0]<stdout>: ", "2025-03-01T10:00:00.123Z ",
        "Sat Mar  1 10:00:00 2025[1,0]<stdout>:",
    ])
    func labelsOfLaunchers(label: String) throws {
        let text = (Self.header + "\n" + Self.row).split(separator: "\n").map { label + $0 }.joined(separator: "\n")
        let found = try parse(text)
        #expect(found.count == 2 && abs(found[0].seconds - 50e-6) < 1e-12, "\(label)")
        #expect(found[0].key.shape == .collective(bytes: 1_048_576, ranks: 4, perNode: 2))
    }

    /// (n-1)/n = .75 with a sum: a reduce-scatter; without a reduction it could be a gather or an all-to-all, and must be said.
    @Test func operationsAreToldApart() throws {
        let scatter = Self.row.replacing("31.46", with: "15.73").replacing("32.77", with: "16.39")
        #expect(try parse(Self.header + "\n" + scatter)[0].key.kernel == .reduceScatter)
        let gather = Self.header + "\n" + scatter.replacing("  sum", with: " none")
        #expect { try parse(gather) } throws: { "\($0)".contains("the file does not say which collective it is; give --operation") }
        var settings = ImportSettings()
        settings.operation = .allGather
        #expect(try parse(gather, settings)[0].key.kernel == .allGather)
    }

    @Test func badOutputs() {
        func message(_ text: String) -> String {
            do throws(MeasurementFault) { return "\(try parse(text).count) read" } catch { return "\(error)" }
        }
        #expect(message("").contains("no rows of nccl-tests"))
        #expect(message(Self.header).contains("no rows of nccl-tests"))
        #expect(message(Self.row).contains("the file does not say how many ranks took part; give --ranks"))
        #expect(message(Self.header + "\n1048576 262144 float\n").contains("n.txt:12:1: the row has 3 fields"))
        #expect(message(Self.header + "\n" + Self.row.replacing("50.00", with: "oops")).contains("n.txt:12:1: time: \"oops\""))
    }
}

@Suite("Traces of profilers")
struct TraceTests {
    private static let trace = """
        {"deviceProperties": [{"id": 0, "name": "NVIDIA A100-SXM4-80GB"}], "traceEvents": [
        {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "ts": 1, "dur": 5, "args": {"External id": 7, "Input Dims": [[512, 1024], [1024, 2048]], "Input type": ["c10::BFloat16", "c10::BFloat16"]}},
        {"ph": "X", "cat": "kernel", "name": "ampere_bf16_gemm", "ts": 3, "dur": 20, "args": {"External id": 7}},
        {"ph": "X", "cat": "kernel", "name": "splitKreduce", "ts": 24, "dur": 4, "args": {"External id": 7}},
        {"ph": "X", "cat": "cpu_op", "name": "aten::mm", "ts": 50, "dur": 5, "args": {"External id": 8, "Input Dims": [[512, 1024], [1024, 2048]], "Input type": ["c10::BFloat16", "c10::BFloat16"]}},
        {"ph": "X", "cat": "kernel", "name": "ampere_bf16_gemm", "ts": 53, "dur": 26, "args": {"External id": 8}},
        {"ph": "X", "cat": "kernel", "name": "mystery", "ts": 90, "dur": 3, "args": {}},
        {"ph": "X", "cat": "kernel", "name": "ncclDevKernel_AllReduce", "ts": 100, "dur": 80, "args": {"Collective name": "allreduce", "In msg nelems": 1000000, "Out msg nelems": 1000000, "Group size": 8, "dtype": "BFloat16"}}
        ]}
        """

    /// Two runs of one product: 20 + 4 us (split-K and its reduction) and 26 us, median 25; an all-reduce of 2 MB; one kernel without a shape.
    @Test func kinetoKernelsFindTheirShapes() throws {
        let found = try KinetoTrace.parse(Array(Self.trace.utf8), file: "t.json", ImportSettings())
        #expect(found.skipped == 1)
        let product = try #require(found.measurements.first { $0.key.kernel == .gemm })
        #expect(
            product.key
                == Measurement.Key(
                    .gemm, device: "a100-sxm-80gb", dtype: .bf16, shape: .product(m: 512, n: 2048, k: 1024, count: 1)))
        #expect(abs(product.seconds - 25e-6) < 1e-12 && product.repeats == 2)
        let reduction = try #require(found.measurements.first { $0.key.kernel == .allReduce })
        #expect(reduction.key.shape == .collective(bytes: 2_000_000, ranks: 8, perNode: 8))
    }

    @Test(
        "faults of traces",
        arguments: [
            ("{", "t.json:1:2"), ("{}", "traceEvents is missing"), ("{\"traceEvents\": []}", "does not name its device"),
            (
                "{\"traceEvents\": [], \"deviceProperties\": [{\"name\": \"x\"}]}",
                "no kernel of the trace has a shape (0 without); record with"
            ),
        ])
    func faults(text: String, expected: String) {
        #expect {
            _ = try KinetoTrace.parse(Array(text.utf8), file: "t.json", ImportSettings())
        } throws: { "\($0)".contains(expected) }
    }

    @Test("shapes of operators")
    func operators() throws {
        func shape(_ name: String, _ dims: [[Int]]) -> KernelShape? {
            OperatorTimings.key(name, dims: dims, dtype: .bf16, device: "a")?.shape
        }
        #expect(shape("aten::addmm", [[16], [8, 4], [4, 16]]) == .product(m: 8, n: 16, k: 4, count: 1))
        #expect(shape("aten::bmm", [[3, 8, 4], [3, 4, 16]]) == .product(m: 8, n: 16, k: 4, count: 3))
        #expect(shape("aten::mm", [[8, 4], [5, 16]]) == nil)
        #expect(shape("aten::mm", []) == nil)
        #expect(shape("aten::mm", [[-1, 4], [4, 16]]) == nil)
        #expect(shape("aten::add", [[8, 4], []]) == .memory(bytes: 128, row: 0))
        #expect(shape("aten::native_layer_norm", [[8, 4], [], [4], [4]]) == .memory(bytes: 128, row: 4))
        guard case .attention(let core)? = shape("aten::_flash_attention_forward", [[2, 64, 8, 128], [2, 64, 2, 128], [2, 64, 2, 128]])
        else {
            Issue.record("no attention")
            return
        }
        #expect(core.batch == 2 && core.heads == 8 && core.kvHeads == 2 && core.queries == 64 && core.headDim == 128)
        #expect(NsightTrace.sizes("[[64, 32], [32, 16], []], x = [[9]]") == [[64, 32], [32, 16], []])
        #expect(NsightTrace.sizes("") == [])
        #expect(NsightTrace.sizes("]]]][[1") == [])
    }

    /// A database as nsys exports it: an outer range, the operator's range with its sizes in it, a launch inside and one outside.
    @Test func nsightKernelsFindTheirRanges() throws {
        let path = temporary("n.sqlite")
        defer { try? FileManager.default.removeItem(atPath: path) }
        var handle: OpaquePointer?
        try #require(sqlite3_open(path, &handle) == SQLITE_OK)
        let code = sqlite3_exec(
            handle,
            """
            CREATE TABLE TARGET_INFO_GPU (name TEXT); INSERT INTO TARGET_INFO_GPU VALUES ('NVIDIA H200');
            CREATE TABLE StringIds (id INT, value TEXT); INSERT INTO StringIds VALUES (1, 'sm90_bf16_gemm'), (2, 'other');
            CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INT, end INT, shortName INT, correlationId INT);
            CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME (start INT, end INT, correlationId INT, globalTid INT);
            CREATE TABLE NVTX_EVENTS (start INT, end INT, text TEXT, textId INT, globalTid INT);
            INSERT INTO NVTX_EVENTS VALUES (0, 1000, 'step', NULL, 5), (100, 200, 'aten::mm, seq = 3, sizes = [[64, 32], [32, 16]]', NULL, 5);
            INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (150, 160, 1, 5), (500, 510, 2, 5), (150, 160, 3, 6);
            INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (300, 7300, 1, 1), (8000, 9000, 2, 2), (8000, 9000, 2, 3);
            """, nil, nil, nil)
        sqlite3_close_v2(handle)
        try #require(code == SQLITE_OK)
        let found = try NsightTrace.read(path: path)
        #expect(found.measurements.count == 1 && found.skipped == 2)
        #expect(
            found.measurements[0].key
                == Measurement.Key(
                    .gemm, device: "h200-sxm-141gb", dtype: .bf16, shape: .product(m: 64, n: 16, k: 32, count: 1)))
        #expect(abs(found.measurements[0].seconds - 7e-6) < 1e-15)
    }

    @Test func noDatabase() throws {
        let path = try write("hello", "x.sqlite")
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect { try NsightTrace.read(path: path) } throws: { "\($0)".contains("this is no SQLite database; export it by nsys export") }
        let empty = try write("SQLite format 3\0", "y.sqlite")
        defer { try? FileManager.default.removeItem(atPath: empty) }
        #expect(throws: MeasurementFault.self) { try NsightTrace.read(path: empty) }
    }
}

@Suite("Published tables")
struct PublishedTableTests {
    private func read(_ text: String, _ name: String = "t.csv") throws -> PublishedTables.Imported {
        let path = try write(text, name)
        defer { try? FileManager.default.removeItem(atPath: path) }
        return try PublishedTables.read(path: path)
    }

    @Test func tablesAreToldByTheirColumns() throws {
        let aic = try read(
            "framework,version,device,op_name,gemm_dtype,m,n,k,latency\nTRTLLM,1,NVIDIA B200,gemm,bfloat16,8,16,32,0.5\nTRTLLM,1,NVIDIA B200,gemm,int4_wo,8,16,32,0.5\n"
        )
        #expect(aic.skipped == 1)
        #expect(aic.measurements[0].seconds == 0.5e-3)
        #expect(
            aic.measurements[0].key
                == Measurement.Key(
                    .gemm, device: "b200-sxm-180gb", dtype: .bf16, shape: .product(m: 8, n: 16, k: 32, count: 1)))
        let neusight = try read("OPName,Latency,Device,B,H\nadd,1,Tesla P4,2,5\nln,1,Tesla P4,2,5\n")
        #expect(neusight.measurements.map(\.key.shape) == [.memory(bytes: 120, row: 0), .memory(bytes: 80, row: 5)])
        let own = try read(MeasurementFile.header + "\ngemm,,,a,bf16,,m=1 n=2 k=3,1,,,,,,,,\n")
        #expect(own.measurements.count == 1)
    }

    @Test func strangeTables() {
        func message(_ text: String, _ name: String = "t.csv") -> String {
            do { return "\(try read(text, name).measurements.count) read" } catch { return "\(error)" }
        }
        #expect(message("a,b\n1,2\n").contains("is no table that is known here (columns a, b)"))
        #expect(message("").contains("the file is empty"))
        #expect(message("gemm_dtype,m,n,k,latency\nbfloat16,8,x,32,1\n").contains(":2:12: n: \"x\" is no positive number"))
        #expect(message("gemm_dtype,m,n,k,latency\nbfloat16,8\n").contains(":2:1: the row has 2 fields, the header 5"))
        #expect(message("{}", "t.json").contains("this is no system file of SimuMax"))
        #expect(message("{", "t.json").contains(".json:1:2"))
        #expect(message("x", "t.parquet").contains("this is a packed table"))
    }

    private static let shared: String =
        ProcessInfo.processInfo.environment["ORRERY_SHARED"]
        ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("shared").path
    private static let simumax = shared + "/kernels/simumax/a100_pcie.json"

    /// First entry of the file: 1 x 4096 x 5120 x 1536 TN at .7877 of 312 TFLOP/s: 2 x 4096 x 1536 x 5120 / 245.75e12 = 262.2 us.
    @Test(
        "efficiencies become seconds",
        .enabled(if: FileManager.default.fileExists(atPath: simumax), "shared/kernels/simumax/a100_pcie.json is not there"))
    func simuMax() throws {
        let found = try PublishedTables.read(path: Self.simumax).measurements
        #expect(found[0].key.layout == .tn && found[0].key.device == "a100-pcie-80gb")
        #expect(abs(found[0].seconds - 262.15e-6) < 0.1e-6)
        #expect(found.count > 200)
    }
}
