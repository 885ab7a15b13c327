// swift-tools-version: 6.2
// Targets stand in dependency order: each uses only those above it. Tests/ArchitectureTests reads every import and proves it.
import PackageDescription

let strict: [SwiftSetting] = [.treatAllWarnings(as: .error)]

let package = Package(
    name: "orrery",
    products: [
        .executable(name: "orrery", targets: ["orrery"]),
        .library(name: "Compression", targets: ["Compression"]),
        .library(name: "Kernels", targets: ["Kernels"]),
        .library(name: "Training", targets: ["Training"]),
        // For C, Python and whatever else loads a shared library: orrery_run of Sources/Studies/CEntry.swift.
        .library(name: "OrreryC", type: .dynamic, targets: ["Studies"]),
        // For Workbench/Server, which is a package of its own.
        .library(name: "OrreryWorkbench", targets: ["Workbench"]),
        // For Benchmarks, which is a package of its own.
        .library(
            name: "OrreryModules",
            targets: [
                "Quantities", "Engine", "Cluster", "Workload", "Calibration", "Plan", "Simulation", "Lifetime", "Scenario", "Fidelity",
                "Studies",
            ]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: [
        .systemLibrary(name: "CGSL", providers: [.apt(["libgsl-dev", "libopenblas-dev"])]),
        .systemLibrary(name: "CSQLite", providers: [.apt(["libsqlite3-dev"])]),
        .target(name: "Quantities", swiftSettings: strict),
        .target(name: "Archive", dependencies: ["CSQLite", "Quantities"], swiftSettings: strict),
        .target(name: "Engine", dependencies: ["Quantities"], swiftSettings: strict),
        .target(
            name: "Cluster",
            dependencies: ["Quantities", "Engine", .product(name: "Yams", package: "Yams")],
            resources: [.embedInCode("Resources")], swiftSettings: strict),
        .target(
            name: "Workload", dependencies: ["Quantities", .product(name: "Yams", package: "Yams")],
            resources: [.embedInCode("Resources")], swiftSettings: strict),
        .target(
            name: "CNumerics",
            // No contraction into fused multiply-adds: the same bits on every CPU, whichever version the loader picks.
            cSettings: [.unsafeFlags(["-O3", "-fno-math-errno", "-ffp-contract=off"])],
            linkerSettings: [.linkedLibrary("m", .when(platforms: [.linux]))]),
        // The C functions of the CUDA plug-in, which `make cuda` compiles apart: a header only.
        .systemLibrary(name: "COrreryCUDA"),
        .target(
            name: "Kernels", dependencies: ["CNumerics", "COrreryCUDA"], exclude: ["CUDA/plugin", "CUDA/emulation"], swiftSettings: strict),
        .target(name: "Compression", dependencies: ["CNumerics"], swiftSettings: strict),
        .target(name: "Training", dependencies: ["CNumerics", "Kernels"], swiftSettings: strict),
        .target(
            name: "Calibration",
            dependencies: ["Quantities", "Cluster", "Workload", "CGSL", "CSQLite", .product(name: "Yams", package: "Yams")],
            resources: [.embedInCode("Resources")], swiftSettings: strict),
        .target(
            name: "Plan", dependencies: ["Quantities", "Engine", "Cluster", "Workload", "Compression", "Training", "Calibration"],
            swiftSettings: strict),
        .target(
            name: "Simulation", dependencies: ["Quantities", "Engine", "Cluster", "Workload", "Calibration", "Plan", "CGSL"],
            swiftSettings: strict),
        .target(
            name: "Cost",
            dependencies: ["Quantities", "Cluster", .product(name: "Yams", package: "Yams")],
            resources: [.embedInCode("Resources")], swiftSettings: strict),
        .target(
            name: "Lifetime", dependencies: ["Quantities", "Engine", "Cluster", "Workload", "Plan", "Simulation", "Cost"],
            resources: [.embedInCode("Resources")], swiftSettings: strict),
        .target(
            name: "Planner",
            dependencies: ["Quantities", "Engine", "Cluster", "Workload", "Calibration", "Plan", "Simulation", "Cost", "Lifetime", "CGSL"],
            swiftSettings: strict),
        .target(
            name: "CoSimulation", dependencies: ["Quantities", "Engine", "Kernels", "Compression", "Training"], swiftSettings: strict),
        .target(
            name: "Scenario",
            dependencies: [
                "Quantities", "Cluster", "Workload", "Compression", "Training", "Calibration", "Plan", "Simulation", "Cost", "CoSimulation",
                "Lifetime",
                .product(name: "Yams", package: "Yams"),
            ], swiftSettings: strict),
        .target(
            name: "Import",
            dependencies: [
                "Quantities", "Cluster", "Workload", "Calibration", "Plan", "Scenario", .product(name: "Yams", package: "Yams"),
            ],
            resources: [.embedInCode("Resources")], swiftSettings: strict),
        .target(
            name: "Execution",
            dependencies: [
                "Quantities", "Cluster", "Workload", "CNumerics", "Kernels", "Compression", "Training", "Calibration", "Plan", "Simulation",
                "Scenario",
            ], swiftSettings: strict),
        .target(
            name: "Fidelity", dependencies: ["Quantities", "Cluster", "Workload", "Calibration", "Plan", "Simulation", "Scenario", "CGSL"],
            swiftSettings: strict),
        .target(
            name: "Studies",
            dependencies: [
                "Quantities", "Engine", "Cluster", "Workload", "Calibration", "Plan", "Simulation", "Cost", "Lifetime", "Planner",
                "Scenario", "Compression", "CoSimulation",
                "Fidelity",
            ], swiftSettings: strict),
        .target(
            name: "Claims",
            dependencies: ["Quantities", "Cluster", "Workload", "Scenario", "Studies", .product(name: "Yams", package: "Yams")],
            resources: [.embedInCode("Resources")], swiftSettings: strict),
        .target(
            name: "Report",
            dependencies: [
                "Quantities", "Engine", "Cluster", "Workload", "Calibration", "Plan", "Simulation", "Cost", "Lifetime", "Planner",
                "Scenario", "CoSimulation",
                "Studies", "Claims",
            ],
            resources: [.embedInCode("Resources")], swiftSettings: strict),
        .target(
            name: "Workbench", dependencies: ["Quantities", "Archive", "Calibration", "Planner", "Scenario", "Studies", "Report"],
            resources: [.embedInCode("Resources")], swiftSettings: strict),
        .executableTarget(
            name: "orrery",
            dependencies: [
                "Quantities", "Engine", "Cluster", "Workload", "Calibration", "Plan", "Simulation", "Cost", "Planner", "Scenario",
                "Kernels", "Compression", "Training", "CoSimulation", "Import", "Execution", "Fidelity", "Lifetime", "Studies", "Claims",
                "Report", "Archive", "Workbench",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),
        .target(
            name: "TestSupport", dependencies: ["Cluster", "Workload", "Calibration", "Plan"], path: "Tests/TestSupport",
            swiftSettings: strict),
        .testTarget(name: "QuantitiesTests", dependencies: ["Quantities"], swiftSettings: strict),
        .testTarget(name: "ArchiveTests", dependencies: ["Archive", "Quantities"], swiftSettings: strict),
        .testTarget(name: "EngineTests", dependencies: ["Quantities", "Engine"], swiftSettings: strict),
        .testTarget(name: "ClusterTests", dependencies: ["TestSupport", "Quantities", "Engine", "Cluster"], swiftSettings: strict),
        .testTarget(name: "WorkloadTests", dependencies: ["Quantities", "Workload"], swiftSettings: strict),
        .testTarget(
            name: "CalibrationTests", dependencies: ["TestSupport", "CSQLite", "Quantities", "Cluster", "Workload", "Calibration"],
            swiftSettings: strict),
        .testTarget(
            name: "PlanTests",
            dependencies: ["TestSupport", "Quantities", "Cluster", "Workload", "Compression", "Training", "Calibration", "Plan"],
            swiftSettings: strict),
        .testTarget(
            name: "PlannerTests",
            dependencies: ["TestSupport", "Quantities", "Cluster", "Workload", "Calibration", "Plan", "Simulation", "Cost", "Planner"],
            swiftSettings: strict),
        .testTarget(
            name: "ScenarioLoadTests",
            dependencies: ["TestSupport", "Quantities", "Cluster", "Workload", "Calibration", "Plan", "Simulation", "Cost", "Scenario"],
            swiftSettings: strict),
        .testTarget(
            name: "ReportTests",
            dependencies: [
                "TestSupport", "Quantities", "Cluster", "Workload", "Calibration", "Plan", "Simulation", "Cost", "Lifetime", "Scenario",
                "Studies",
                "Report",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "CostTests", dependencies: ["Quantities", "Cluster", "Cost"], swiftSettings: strict),
        .testTarget(
            name: "LifetimeTests",
            dependencies: ["Quantities", "Engine", "Cluster", "Workload", "Calibration", "Plan", "Simulation", "Cost", "Lifetime"],
            swiftSettings: strict),
        .testTarget(
            name: "StudiesTests",
            dependencies: [
                "Quantities", "Cluster", "Workload", "Calibration", "Plan", "Simulation", "Cost", "Lifetime", "Planner", "Scenario",
                "CoSimulation", "Studies",
            ],
            swiftSettings: strict),
        .testTarget(name: "CompressionTests", dependencies: ["TestSupport", "Compression"], swiftSettings: strict),
        .testTarget(name: "KernelsTests", dependencies: ["TestSupport", "Kernels"], swiftSettings: strict),
        .testTarget(
            name: "TrainingTests", dependencies: ["TestSupport", "Kernels", "Compression", "Training"], exclude: ["Golden"],
            swiftSettings: strict),
        .testTarget(
            name: "CoSimulationTests", dependencies: ["Kernels", "Compression", "Training", "CoSimulation"], swiftSettings: strict),
        .testTarget(
            name: "SimulationTests",
            dependencies: [
                "TestSupport", "Quantities", "Engine", "Cluster", "Workload", "Compression", "Calibration", "Plan", "Simulation",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "ImportTests", dependencies: ["Quantities", "Workload", "Plan", "Planner", "Scenario", "Import"], exclude: ["Launches"],
            swiftSettings: strict),
        .testTarget(
            name: "ExecutionTests",
            dependencies: ["Cluster", "Workload", "Kernels", "Compression", "Training", "Calibration", "Plan", "Scenario", "Execution"],
            swiftSettings: strict),
        .testTarget(
            name: "FidelityTests", dependencies: ["Calibration", "Plan", "Simulation", "Scenario", "Fidelity"], swiftSettings: strict),
        .testTarget(
            name: "LayoutClaimTests", dependencies: ["Calibration", "Plan", "Simulation", "Planner", "Scenario"], swiftSettings: strict),
        .testTarget(name: "ClaimsTests", dependencies: ["Quantities", "Studies", "Claims"], swiftSettings: strict),
        .testTarget(
            name: "WorkbenchTests", dependencies: ["Quantities", "Archive", "Scenario", "Studies", "Report", "Workbench"],
            swiftSettings: strict),
        .testTarget(name: "CommandTests", dependencies: ["orrery"], swiftSettings: strict),
        .testTarget(name: "DocumentationTests", dependencies: ["orrery", "Scenario"], swiftSettings: strict),
        .testTarget(name: "ArchitectureTests", swiftSettings: strict),
        .testTarget(
            name: "ScenarioTests", dependencies: ["Plan", "Simulation", "Scenario", "Studies", "Report"], swiftSettings: strict),
    ],
    swiftLanguageModes: [.v6]
)
